import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { saveIdentity } from '../../../agent/node/node-identity.ts'
import { killAtEachFileCall } from '../../support/kill-at-file-calls.ts'
import { type ReleaseHub, startReleaseHub, TINY_NODE } from '../../support/release-hub.ts'

const run = promisify(execFile)
const MAIN = join(import.meta.dirname, 'updates-main.ts')
const LAUNCHER = join(import.meta.dirname, '../../../deploy/agent/lanecast-agent')

/** A machine with the package of 1.0.0, on which agents are killed. */
async function machineOf(t: ExecutionContext, hub: ReleaseHub) {
  const root = await mkdtemp(join(tmpdir(), 'lanecast-power-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const [home, state, identity] = [join(root, '1.0.0'), join(root, 'state'), join(root, 'identity.json')]
  await saveIdentity(identity, await hub.enrol('box'))
  await mkdir(join(home, 'agent'), { recursive: true })
  await writeFile(join(home, 'agent/main.ts'), '')
  await writeFile(join(home, 'node'), TINY_NODE)
  await chmod(join(home, 'node'), 0o755)
  await cp(LAUNCHER, join(home, 'lanecast-agent'))
  return {
    root,
    state,
    identity,
    /** Starts the agent as the system does. @returns release, and the one on trial or `no` */
    start: async () => {
      const env = { PATH: '/usr/bin:/bin', STATE_DIRECTORY: state, CACHE_DIRECTORY: join(root, 'cache') }
      const { stdout } = await run(join(home, 'lanecast-agent'), ['run'], { env })
      const [release = '', trial = ''] = stdout.trim().split(' ')
      return { release, trial }
    },
  }
}

test('a power cut before any file call of an update leaves a machine that starts, and that gets there', async (t) => {
  t.timeout(300_000)
  await using hub = await startReleaseHub()
  await hub.publish('1.1.0')
  const { root, state, identity, start } = await machineOf(t, hub)
  const before = join(root, 'before')
  const prepare = async () => {
    await rm(state, { recursive: true, force: true })
    await cp(before, state, { recursive: true, verbatimSymlinks: true })
  }
  /** Runs of the agent until the release stays. */
  const goOn = async (at: string) => {
    for (let starts = 0; starts < 6; starts += 1) {
      const { release, trial } = await start()
      t.true(['1.0.0', '1.1.0'].includes(release), `${at}: ${release}`)
      if (release === '1.1.0' && trial === 'no') break
      await run(process.execPath, [MAIN, state, identity, release, ...(trial === 'no' ? [] : [trial])])
    }
    t.deepEqual(await start(), { release: '1.1.0', trial: 'no' }, at)
    const left = (await readdir(join(state, 'releases'))).filter((name) => name !== 'trial.next')
    t.deepEqual(left.sort(), ['1.1.0', 'current'], at)
  }

  await mkdir(before)
  const taken = await killAtEachFileCall([MAIN, state, identity, '1.0.0'], prepare, ({ at }) =>
    goOn(`taking, ${at}`),
  )

  // And in the trial, from its start to the release's stay.
  await prepare()
  await run(process.execPath, [MAIN, state, identity, '1.0.0'])
  t.deepEqual(await start(), { release: '1.1.0', trial: '1.1.0' })
  await cp(state, `${before}-trial`, { recursive: true, verbatimSymlinks: true })
  const tried = await killAtEachFileCall(
    [MAIN, state, identity, '1.1.0', '1.1.0'],
    async () => {
      await rm(state, { recursive: true, force: true })
      await cp(`${before}-trial`, state, { recursive: true, verbatimSymlinks: true })
    },
    ({ at }) => goOn(`trial, ${at}`),
  )
  t.log(`killed ${taken} times while taking it, ${tried} times in its trial`)
  t.true(taken >= 20 && tried >= 8)
})
