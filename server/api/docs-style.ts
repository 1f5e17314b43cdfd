/** The style of the reference page. It stands in the page itself, which loads nothing. */
export const DOCS_STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#fbfbfa, #14161a);
  --panel: light-dark(#ffffff, #1b1e24);
  --code: light-dark(#f2f3f5, #101216);
  --ink: light-dark(#1d2127, #e4e7ec);
  --soft: light-dark(#5c6672, #9aa4b2);
  --line: light-dark(#e2e5e9, #2b3038);
  --link: light-dark(#0b5bb5, #79b8ff);
  --get: light-dark(#0b6e4f, #4cc38a);
  --post: light-dark(#0b5bb5, #70a8ff);
  --put: light-dark(#8a5a00, #e5b567);
  --delete: light-dark(#b42318, #ff8b80);
}
* { box-sizing: border-box }
html { scroll-padding-top: 1rem }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif;
  display: grid; grid-template-columns: 19rem minmax(0, 1fr) }
a { color: var(--link); text-decoration: none }
a:hover, a:focus-visible { text-decoration: underline }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem 2rem 1.5rem;
  border-right: 1px solid var(--line); font-size: .875rem }
nav strong { display: block; text-transform: capitalize; margin: 1.1rem 0 .25rem; color: var(--soft); font-weight: 600 }
nav ul { list-style: none; margin: 0; padding: 0 }
nav li { margin: .15rem 0 }
nav a { display: flex; gap: .4rem; color: var(--ink) }
nav a span:last-child { overflow-wrap: anywhere }
main { padding: 2rem clamp(1rem, 4vw, 4rem) 6rem; max-width: 74rem; min-width: 0 }
h1 { margin: 0 0 .25rem; font-size: 1.9rem; line-height: 1.2 }
h2 { margin: 3rem 0 1rem; font-size: 1.35rem; text-transform: capitalize }
h3 { margin: 0; font-size: 1.1rem; line-height: 1.35 }
h4 { margin: 1.25rem 0 .4rem; font-size: .8rem; color: var(--soft); text-transform: uppercase; letter-spacing: .04em }
p { margin: .5rem 0; max-width: 46rem }
article { background: var(--panel); border: 1px solid var(--line); border-radius: .6rem; padding: 1.25rem 1.5rem; margin: 1rem 0 }
article:target { outline: 2px solid var(--link) }
code, pre { font: .85em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
code { background: var(--code); border-radius: .25rem; padding: .1em .3em; overflow-wrap: anywhere }
pre { background: var(--code); border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; overflow-x: auto; margin: .5rem 0 }
pre code { background: none; padding: 0; overflow-wrap: normal }
.request { display: flex; flex-wrap: wrap; align-items: baseline; gap: .6rem; margin: .35rem 0 0 }
.request code { background: none; padding: 0; font-size: .95rem }
.method { font: 600 .72rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; min-width: 3.9em; color: var(--soft) }
.get { color: var(--get) } .post { color: var(--post) } .put, .patch { color: var(--put) } .delete { color: var(--delete) }
.who { color: var(--soft); font-size: .9rem }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .875rem }
th { text-align: left; color: var(--soft); font-weight: 600 }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td:first-child { white-space: nowrap }
td.notes { color: var(--soft); min-width: 14rem }
details > summary { cursor: pointer; color: var(--link); font-size: .9rem; margin-top: .75rem }
.needed { color: var(--delete) }
@media (max-width: 60rem) {
  body { display: block }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line) }
  article { padding: 1rem }
  td:first-child { white-space: normal }
}
@media print { nav { display: none } body { display: block } }
`
