// Bundles the packages that the hub imports on each start: `bundle-packages.ts`. See docs/decisions/0031.
import 'reflect-metadata'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'
import { BUNDLED, bundledFile, bundleFolder } from '../../../common/bundled-packages.ts'

const PACKAGES = join(import.meta.dirname, '../../../node_modules')
/** What pino would load where somebody installed it. Node finds it from the bundle's folder. */
const EXTERNAL = ['pino-pretty']
/** Its ES module has no default export, unlike its CommonJS. */
const NO_DEFAULT = '@peculiar/x509'
/** Packages with native parts that WebSockets use, and what they export. The first WebSocket loads them, not the start. */
const NATIVE: Readonly<Record<string, string>> = {
  bufferutil: '{ mask: (...all) => own().mask(...all), unmask: (...all) => own().unmask(...all) }',
  'utf-8-validate': '(bytes) => own()(bytes)',
}
/** Marks the module of an entry. By its ending, packages in CommonJS look to it as Node shows them to ES modules. */
const ENTRY = /^\0entry:(.+)\.mjs$/
/** In each file of the bundle: the folder of a package, in this clone wherever it moves. */
const FOLDER_OF =
  "const __packageFolder = (path) => process.getBuiltinModule('node:path').join(import.meta.dirname, '../../..', path);"

await bundle(bundleFolder())

/** Makes the folder at once or not at all: who finds it finds all of it. */
async function bundle(folder: string): Promise<void> {
  const partial = join(dirname(folder), `.${basename(folder)}.${process.pid}`)
  await mkdir(partial, { recursive: true })
  try {
    await using bundler = await rolldown({
      input: Object.fromEntries(BUNDLED.map((name) => [bundledFile(name), `\0entry:${name}.mjs`])),
      platform: 'node',
      // Where a package has ES modules beside CommonJS, they take half as long to load.
      resolve: { mainFields: ['module', 'main'] },
      external: EXTERNAL,
      plugins: [entries(await exportedNames()), nativeLater(), ownFolders()],
      logLevel: 'warn',
    })
    await bundler.write({
      dir: partial,
      format: 'esm',
      entryFileNames: '[name]',
      chunkFileNames: 'shared-[name].mjs',
      banner: FOLDER_OF,
      // Text without other characters takes V8 half the memory.
      charset: 'ascii',
      comments: false,
    })
    await rename(partial, folder).catch((error) => {
      // Another set-up was faster.
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/** What each import offers, as Node sees it. */
async function exportedNames(): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>()
  for (const specifier of BUNDLED)
    names.set(
      specifier,
      Object.keys(await import(specifier)).filter(
        (name) => /^[\w$]+$/.test(name) && !(name === 'default' && specifier === NO_DEFAULT),
      ),
    )
  return names
}

/** A module for each import, which offers all that the package offers. */
function entries(names: ReadonlyMap<string, readonly string[]>): Plugin {
  return {
    name: 'entries',
    resolveId: (id) => (ENTRY.test(id) ? id : null),
    load(id) {
      const specifier = ENTRY.exec(id)?.[1]
      if (specifier === undefined) return null
      return `export { ${names.get(specifier)!.join(', ')} } from ${JSON.stringify(specifier)}`
    },
  }
}

/** Packages that look for their own files find them where npm put them. */
function ownFolders(): Plugin {
  return {
    name: 'own-folders',
    transform(code, id) {
      if (!/\b__dirname\b/.test(code)) return null
      return `const __dirname = __packageFolder(${JSON.stringify(relative(PACKAGES, dirname(id)))});${code}`
    },
  }
}

function nativeLater(): Plugin {
  const marked = /^\0native:(.+)\.cjs$/
  return {
    name: 'native-later',
    resolveId: (id) => (id in NATIVE ? `\0native:${id}.cjs` : null),
    load(id) {
      const name = marked.exec(id)?.[1]
      if (name === undefined) return null
      const find = "process.getBuiltinModule('node:module').createRequire(__packageFolder('.lanecast/'))"
      return `let found; const own = () => (found ??= ${find}(${JSON.stringify(name)})); module.exports = ${NATIVE[name]}`
    },
  }
}
