import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { BUNDLED, bundledFile, bundleFolder, useBundledPackages } from '../../common/bundled-packages.ts'
import 'reflect-metadata'
import { Child } from '../../common/supervision/child.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')
const LOCK = 'node_modules/.package-lock.json'
const RULES = 'tools/setup/packages/bundle-packages.ts'
const HOOK = 'common/bundled-packages.ts'

/** A clone's folder with the real packages. */
async function clone(t: ExecutionContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'lanecast-bundle-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  await mkdir(join(root, 'node_modules'))
  for (const name of await readdir(join(repository, 'node_modules')))
    if (!name.startsWith('.'))
      await symlink(join(repository, 'node_modules', name), join(root, 'node_modules', name))
  await writeFile(join(root, 'package.json'), '{ "type": "module" }')
  for (const file of [LOCK, RULES, HOOK, 'common/bundled-packages-first.ts', 'tools/setup/packages.sh'])
    await cp(join(repository, file), join(root, file))
  return root
}

/** Bundles as set-up does. */
const bundle = (root: string) => run(process.execPath, [join(root, RULES)])

/** A bundle in which a package says only where it is from. */
async function marked(root: string): Promise<void> {
  await mkdir(bundleFolder(root), { recursive: true })
  await writeFile(join(bundleFolder(root), bundledFile('zod')), 'export const z = "from the bundle"')
}

/** What a program of the clone imports as `z` of zod. */
async function imported(root: string): Promise<string> {
  const program = join(root, 'program.ts')
  await writeFile(
    program,
    "import { z } from 'zod'\nprocess.stdout.write(typeof z === 'string' ? z : 'from npm')",
  )
  const { stdout } = await run(process.execPath, [
    '--import',
    join(root, 'common/bundled-packages-first.ts'),
    program,
  ])
  return stdout
}

test('imports come from the bundle of the packages that are there, and from nowhere else', async (t) => {
  const root = await clone(t)
  t.is(await imported(root), 'from npm')
  await marked(root)
  t.is(await imported(root), 'from the bundle')
  const lock = await readFile(join(root, LOCK), 'utf8')
  await writeFile(join(root, LOCK), lock.replace(/"version": "/, '"version": "1'))
  t.is(await imported(root), 'from npm')
  await marked(root)
  t.is(await imported(root), 'from the bundle')
  // npm wrote no list: nobody knows what the packages are.
  await rm(join(root, LOCK))
  t.is(await imported(root), 'from npm')
})

test('a change of the packages or of the rules asks for another bundle, of set-up and of the hub alike', async (t) => {
  const root = await clone(t)
  const state = join(root, 'node_modules/.lanecast')
  const asked = () =>
    run(
      'bash',
      [
        ...['-euo', 'pipefail', '-c'],
        `state=${state}; source tools/setup/packages.sh; packages_bundled && echo bundled; bundle_key; echo "$bundle"`,
      ].flat(),
      { cwd: root },
    ).then(({ stdout }) => stdout.trim().split('\n'))
  const keys = new Set<string>()
  for (const change of [null, LOCK, RULES, HOOK]) {
    if (change !== null)
      await writeFile(join(root, change), `${await readFile(join(root, change), 'utf8')}\n`)
    t.false(useBundledPackages(root))
    const key = basename(bundleFolder(root))
    t.deepEqual(await asked(), [key])
    await marked(root)
    t.deepEqual(await asked(), ['bundled', key])
    keys.add(key)
  }
  t.is(keys.size, 4)
})

test('two set-ups at once make one whole bundle, and one that is interrupted makes none', async (t) => {
  const root = await clone(t)
  const folder = bundleFolder(root)
  const interrupted = execFile(process.execPath, [join(root, RULES)])
  const begun = async () => (await readdir(dirname(folder)).catch(() => [])).length > 0
  await until(begun, 'the bundle is begun')
  interrupted.kill('SIGKILL')
  await t.throwsAsync(readdir(folder), { code: 'ENOENT' })
  await Promise.all([bundle(root), bundle(root)])
  const files = await readdir(folder)
  t.deepEqual(
    BUNDLED.map(bundledFile).filter((file) => !files.includes(file)),
    [],
  )
  t.deepEqual(
    (await readdir(dirname(folder))).filter((name) => !name.startsWith('.')),
    [basename(folder)],
  )
})

/** Native, or loaded by some hubs only. */
const LEFT_OUT = ['acme-client', 'koffi', 'pg', 'ws', 'yaml']

test('each package that the hub imports is bundled or left out on purpose', async (t) => {
  const imported = new Set<string>()
  for (const room of ['common', 'policy', 'sfu', 'signaling', 'server'])
    for (const file of await readdir(join(repository, room), { recursive: true })) {
      // The SDK runs in browsers.
      if (!file.endsWith('.ts') || (room === 'signaling' && file.startsWith('client/'))) continue
      const text = await readFile(join(repository, room, file), 'utf8')
      const imports = text.matchAll(
        /^import (?!type)(?:[^']*? from )?'([^'.][^']*)'|\bimport\('([^'.][^']*)'\)/gm,
      )
      for (const [, named, later] of imports) imported.add(named ?? later ?? '')
    }
  const packages = [...imported].filter((name) => !name.startsWith('node:'))
  t.deepEqual(packages.sort(), [...BUNDLED, ...LEFT_OUT].sort())
})

test('the bundle offers what the packages offer, and they find their own files', async (t) => {
  for (const specifier of BUNDLED) {
    const shape = (exported: object) =>
      Object.entries(exported)
        .filter(
          ([name]) => name !== 'module.exports' && !(name === 'default' && specifier === '@peculiar/x509'),
        )
        .map(([name, value]) => [name, typeof value === 'string' ? value : typeof value])
    const [ours, theirs] = await Promise.all([
      import(pathToFileURL(join(bundleFolder(), bundledFile(specifier))).href),
      import(specifier),
    ])
    t.deepEqual(shape(ours), shape(theirs), specifier)
    if (theirs.default instanceof Object && specifier !== '@peculiar/x509')
      t.deepEqual(shape(ours.default), shape(theirs.default), specifier)
  }
})

test('the hub and its children load their packages from the bundle', async (t) => {
  const told =
    "import{registerHooks}from'node:module';registerHooks({load(u,c,n){console.error(u);return n(u,c)}})"
  const { stderr } = await run(process.execPath, [
    ...['--import', `data:text/javascript,${told}`],
    ...[join(repository, 'server/main.ts'), '--help'],
  ])
  t.true(stderr.includes(`/${basename(bundleFolder())}/zod.mjs`))
  t.notRegex(stderr, /node_modules\/zod\//)

  // Outside of the repository nothing but the bundle has packages.
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-bundle-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const entry = join(folder, 'program.mjs')
  await writeFile(entry, "import { z } from 'zod'\nz.string().parse('')")
  await using child = new Child({ entry }, { heard: () => {}, broken: (why) => t.fail(why) }, 1000)
  t.is(await child.ended, 'exit code 0')
})
