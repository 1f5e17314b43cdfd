import test from 'ava'
import { compileGlob, patternCovers } from '../../policy/glob.ts'

test('what covers what', (t) => {
  const yes = ['* *', '* a?b*', 'a* a*', 'a* ab*c', 'a? ab', 'a? a?', '*a* *a*', 'cam-* cam-??', '** *']
  const no = ['a *', 'a? a*', '? *', 'a*b a*', 'a?*b a*b', 'cam-* ca*', 'a ab', 'ab a']
  for (const pair of yes) {
    const [outer = '', inner = ''] = pair.split(' ')
    t.true(patternCovers(outer, inner), pair)
  }
  for (const pair of no) {
    const [outer = '', inner = ''] = pair.split(' ')
    t.false(patternCovers(outer, inner), pair)
  }
})

test('it never says yes where one text is matched by the inner pattern only', (t) => {
  const all = (symbols: string, length: number): string[] =>
    length === 0
      ? ['']
      : all(symbols, length - 1).flatMap((rest) => [rest, ...[...symbols].map((s) => rest + s)])
  const patterns = [...new Set(all('ab*?', 3))].filter(Boolean)
  const texts = [...new Set(all('abc', 4))]
  const matched = new Map(patterns.map((p) => [p, texts.filter(compileGlob(p))]))
  for (const outer of patterns)
    for (const inner of patterns)
      if (patternCovers(outer, inner)) {
        const own = new Set(matched.get(outer))
        const beyond = matched.get(inner)!.find((text) => !own.has(text))
        if (beyond !== undefined) t.fail(`${outer} does not cover ${inner}: ${beyond}`)
      }
  t.pass()
})
