import { execFile } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { z } from 'zod'
import {
  flatbuffersSchemas,
  ninjaFile,
  workerSources,
  workerUnits,
} from '../../tools/setup/worker/ninja-file.ts'

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

test('every source and schema that the installed worker lists exists and is compiled once, in few units', (t) => {
  const text = (file: string) => readFileSync(join(worker, file), 'utf8')
  const sources = workerSources(text('meson.build'), text('deps/libwebrtc/meson.build'))
  const schemas = flatbuffersSchemas(text('fbs/meson.build'))
  t.true(sources.length > 200)
  t.deepEqual(
    [...sources, ...schemas.map((schema) => `fbs/${schema}`)].filter(
      (file) => !existsSync(join(worker, file)),
    ),
    [],
  )
  const units = workerUnits(sources, (file) => statSync(join(worker, file)).size)
  t.deepEqual(units.flatMap((unit) => unit.sources).toSorted(), [...new Set(sources)].toSorted())
  t.is(new Set(units.map((unit) => unit.name)).size, units.length)
  t.true(units.length < 80, `${units.length} units`)
})

test('no path in the Ninja file tells where it is, so that its objects serve every clone', (t) => {
  const build = {
    compiler: 'c++',
    cCompiler: 'cc',
    flags: ['-O2'],
    cflags: ['-Isrtp/include'],
    libs: ['srtp/libsrtp2.a', '-luv'],
  }
  const text = ninjaFile(build, [{ name: 'src-0', sources: ['src/main.cpp'] }], ['common.fbs'])
  t.true(text.includes('-Ishims/include -Isource/include'))
  t.true(text.includes('build obj/src-0.o: cxx units/src-0.cpp || headers'))
  t.notRegex(text, /(^|[\s=I'"])\//m)
})
