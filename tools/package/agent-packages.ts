import 'reflect-metadata'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'
import type { Architecture } from './architectures.ts'
import { KOFFI, putKoffi } from './koffi.ts'

/** What packages take where it is there, and do without here: native parts of WebSockets, a printer of log lines. */
const LEFT_OUT = ['bufferutil', 'utf-8-validate', 'pino-pretty']
/** Its ES module has no default export, unlike its CommonJS. */
const NO_DEFAULT = '@peculiar/x509'
const ENTRY = /^\0entry:(.+)\.mjs$/
const LICENSE = /^(licen[sc]e|copying|notice)/i

/**
 * Makes `node_modules` of an installed agent: a file for each import, and files that these share, where the packages have
 * some hundreds. koffi comes as it is, with its native part for the machine.
 * @param specifiers what our files import: `zod`, `protoo-client/lib/Message.js`
 * @returns names of the packages that went in, sorted
 */
export async function putPackages(
  repository: string,
  specifiers: readonly string[],
  architecture: Architecture,
  folder: string,
): Promise<readonly string[]> {
  const bundled = specifiers.filter((name) => name !== KOFFI)
  await using bundler = await rolldown({
    input: Object.fromEntries(bundled.map((name) => [fileOf(name), `\0entry:${name}.mjs`])),
    cwd: repository,
    platform: 'node',
    resolve: { mainFields: ['module', 'main'] },
    external: LEFT_OUT,
    plugins: [entries(await exportedNames(bundled)), ownFolder()],
    logLevel: 'warn',
  })
  const { output } = await bundler.write({
    dir: folder,
    format: 'esm',
    entryFileNames: '[name]',
    chunkFileNames: '.shared/[name].mjs',
    charset: 'ascii',
    comments: { legal: true },
  })
  const used = new Set<string>()
  for (const part of output)
    if (part.type === 'chunk') for (const id of Object.keys(part.modules)) used.add(packageOf(id))
  used.delete('')
  for (const [name, ofPackage] of Map.groupBy(bundled, nameOf)) await writeManifest(folder, name, ofPackage)
  if (specifiers.includes(KOFFI)) {
    used.add(KOFFI)
    await putKoffi(repository, architecture, folder)
  }
  await putLicenses(repository, [...used], join(folder, '../licenses'))
  return [...used].sort()
}

/** The package of an import. */
function nameOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** The file of an import, below node_modules. */
function fileOf(specifier: string): string {
  const inside = specifier.slice(nameOf(specifier).length + 1) || 'index'
  return `${nameOf(specifier)}/${inside.replaceAll('/', '_').replace(/\.[cm]?js$/, '')}.mjs`
}

/** The package that a bundled module is from; empty for our own entries. */
function packageOf(id: string): string {
  const inside = id.split('/node_modules/').at(-1) ?? ''
  return id.includes('/node_modules/') ? nameOf(inside) : ''
}

async function writeManifest(folder: string, name: string, specifiers: readonly string[]): Promise<void> {
  const exports = Object.fromEntries(
    specifiers.map((specifier) => [
      `.${specifier.slice(name.length)}`,
      `./${fileOf(specifier).slice(name.length + 1)}`,
    ]),
  )
  await writeFile(
    join(folder, name, 'package.json'),
    `${JSON.stringify({ name, type: 'module', exports })}\n`,
  )
}

/** What each import offers, as Node sees it. */
async function exportedNames(specifiers: readonly string[]): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>()
  for (const specifier of specifiers)
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
      const all = names.get(specifier) ?? []
      if (all.length === 0) return `import ${JSON.stringify(specifier)}`
      return `export { ${all.join(', ')} } from ${JSON.stringify(specifier)}`
    },
  }
}

/** CommonJS that asks for its own folder gets that of the bundle: nothing that an agent uses looks for files there. */
function ownFolder(): Plugin {
  return {
    name: 'own-folder',
    transform: (code) =>
      /\b__dirname\b/.test(code) ? `const __dirname = import.meta.dirname;${code}` : null,
  }
}

async function putLicenses(repository: string, names: readonly string[], folder: string): Promise<void> {
  const require = createRequire(join(repository, 'package.json'))
  await mkdir(folder, { recursive: true })
  for (const name of names) {
    const places = (require.resolve.paths(name) ?? []).map((place) => join(place, name))
    const found = places.find((place) => existsSync(place))
    if (found === undefined) throw new Error(`the package ${name} is not installed`)
    const license = (await readdir(found)).find((file) => LICENSE.test(file))
    if (license !== undefined) await cp(join(found, license), join(folder, `${name.replace('/', '__')}.txt`))
  }
}
