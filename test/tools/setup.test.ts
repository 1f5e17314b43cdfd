import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { z } from 'zod'
import { flatbuffersSchemas, ninjaFile, workerSources } from '../../tools/setup/worker/ninja-file.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '..', '..')
const script = join(repository, 'tools', 'setup', 'setup.sh')
const worker = join(repository, 'node_modules', 'mediasoup', 'worker')

test.serial('set-up that is done says nothing and costs next to nothing', async (t) => {
  await run('bash', [script, 'test'])
  const started = performance.now()
  const { stdout, stderr } = await run('bash', [script, 'test'])
  const milliseconds = performance.now() - started
  t.is(stdout + stderr, '')
  t.true(milliseconds < 1000, `${milliseconds} ms`)
})

test('an unknown mode is refused', async (t) => {
  const error = await t.throwsAsync(run('bash', [script, 'everything']))
  t.regex(error?.message ?? '', /usage: setup\.sh/)
})

test('a worker that MEDIASOUP_WORKER_BIN names must start as one', async (t) => {
  const env = { ...process.env, MEDIASOUP_WORKER_BIN: '/bin/true' }
  const error = await t.throwsAsync(run('bash', [script, 'test'], { env }))
  t.regex(error?.message ?? '', /does not start as a mediasoup worker/)
})

test('package-lock.json names every optional package of every package, or `npm ci` refuses it', (t) => {
  const entry = z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() })
  const lock = z
    .object({ packages: z.record(z.string(), entry) })
    .parse(JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')))
  const paths = Object.keys(lock.packages)
  const wanted = Object.values(lock.packages).flatMap((one) => Object.keys(one.optionalDependencies ?? {}))
  t.true(wanted.length > 0)
  t.deepEqual(
    wanted.filter((name) => !paths.some((path) => path.endsWith(`node_modules/${name}`))),
    [],
  )
})

test('every source and schema that the installed worker lists exists and is compiled once', (t) => {
  const text = (file: string) => readFileSync(join(worker, file), 'utf8')
  const sources = workerSources(text('meson.build'), text('deps/libwebrtc/meson.build'))
  const schemas = flatbuffersSchemas(text('fbs/meson.build'))
  t.true(sources.length > 200)
  t.is(new Set(sources).size, sources.length)
  t.deepEqual(
    [...sources, ...schemas.map((schema) => `fbs/${schema}`)].filter(
      (file) => !existsSync(join(worker, file)),
    ),
    [],
  )
})

test('paths with spaces, colons and dollars survive in the Ninja file', (t) => {
  const build = {
    source: '/a b/$c:d',
    shims: '/shims',
    out: '/out',
    compiler: 'c++',
    flags: [],
    cflags: [],
    libs: [],
  }
  const text = ninjaFile(build, ['src/main.cpp'], ['common.fbs'])
  t.true(text.includes("-I'/a b/$$c:d/include'"))
  t.true(text.includes('build obj/src/main.cpp.o: cxx /a$ b/$$c$:d/src/main.cpp || headers'))
})
