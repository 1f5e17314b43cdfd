import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { SeededRandom } from '../../fuzz/seeded-random.ts'

const run = promisify(execFile)
const LAUNCHER = join(import.meta.dirname, '../../../deploy/agent/lanecast-agent')
/** Says which release it is of, whether on trial, and what it was asked. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
const PROGRAM = '#!/bin/sh\necho "$(basename "$(dirname "$0")") ${LANECAST_TRIAL:-no trial} $3"\n'

/** A machine with the package, and a folder of fetched releases. */
async function machine(t: ExecutionContext) {
  const root = await mkdtemp(join(tmpdir(), 'lanecast-launcher-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const [home, state] = [join(root, 'package'), join(root, 'state')]
  const releases = join(state, 'releases')
  const put = async (folder: string) => {
    await mkdir(join(folder, 'agent'), { recursive: true })
    await writeFile(join(folder, 'node'), PROGRAM)
    await chmod(join(folder, 'node'), 0o755)
    await writeFile(join(folder, 'agent/main.ts'), '')
  }
  await put(home)
  await cp(LAUNCHER, join(home, 'lanecast-agent'))
  await mkdir(releases, { recursive: true })
  return {
    releases,
    release: (version: string) => put(join(releases, version)),
    current: (version: string) => symlink(version, join(releases, 'current')),
    write: (name: string, text: string) => writeFile(join(releases, name), text),
    read: (name: string) => readFile(join(releases, name), 'utf8').catch(() => null),
    start: async (command = 'run', options: { timeout?: number; killSignal?: 'SIGKILL' } = {}) => {
      const env = { PATH: '/usr/bin:/bin', STATE_DIRECTORY: state, CACHE_DIRECTORY: join(root, 'cache') }
      const { stdout } = await run(join(home, 'lanecast-agent'), [command], { env, ...options })
      return stdout.trim()
    },
  }
}

test('the package runs where nothing was fetched, and the fetched release where one stays', async (t) => {
  const { release, current, start } = await machine(t)
  t.is(await start(), 'package no trial run')
  await release('1.1.0')
  t.is(await start(), 'package no trial run')
  await current('1.1.0')
  t.is(await start(), '1.1.0 no trial run')
  t.is(await start('status'), '1.1.0 no trial status')
})

test('a release on trial is started three times, and then the one before again', async (t) => {
  const { release, current, start, write, read } = await machine(t)
  await release('1.1.0')
  await release('1.2.0-rc.1')
  await current('1.1.0')
  await write('trial', '1.2.0-rc.1 0\n')
  t.is(await start('status'), '1.1.0 no trial status', 'a call of the program is no start')
  for (const starts of [1, 2, 3]) {
    t.is(await start(), '1.2.0-rc.1 1.2.0-rc.1 run')
    t.is(await read('trial'), `1.2.0-rc.1 ${starts}\n`)
  }
  t.is(await start(), '1.1.0 no trial run')
  t.is(await read('trial'), null)
  t.is(await read('failed'), '1.2.0-rc.1 3\n')
  t.is(await start(), '1.1.0 no trial run')
})

for (const [name, trial] of [
  ['of a release that is not there', '9.9.9 0\n'],
  ['that is empty', ''],
  ['that was cut off', '1.1.0'],
  ['of nonsense', '\0\0\0\0'],
  ['that leads elsewhere', '../../package 0\n'],
  ['with a count that is none', '1.1.0 x\n'],
] as const)
  test(`a trial ${name} ends at once`, async (t) => {
    const { release, start, write, read } = await machine(t)
    await release('1.1.0')
    await write('trial', trial)
    t.is(await start(), 'package no trial run')
    t.is(await read('trial'), null)
  })

test('a release that is gone or not whole gives way to the package', async (t) => {
  const { release, current, start, releases } = await machine(t)
  await current('1.1.0')
  t.is(await start(), 'package no trial run', 'it is gone')
  await release('1.1.0')
  await rm(join(releases, '1.1.0/agent/main.ts'))
  t.is(await start(), 'package no trial run', 'it is not whole')
})

test('killed at any moment, the launcher leaves a machine that starts', async (t) => {
  t.timeout(120_000)
  const random = new SeededRandom('launcher')
  const { release, current, start, write, read } = await machine(t)
  await release('1.1.0')
  await release('1.2.0')
  await current('1.1.0')
  for (let round = 0; round < 60; round += 1) {
    await write('trial', '1.2.0 0\n')
    await start('run', { timeout: 1 + random.below(25), killSignal: 'SIGKILL' }).catch(() => {})
    t.regex((await read('trial')) ?? '', /^1\.2\.0 [01]\n$/)
    t.is(await start(), '1.2.0 1.2.0 run')
  }
})
