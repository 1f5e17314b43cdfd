import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { OWN_ARCHITECTURE } from '../../tools/package/architectures.ts'
import { enrolmentOf } from '../support/field-agent.ts'
import { buildTarball, PackagedAgent, withEntry } from '../support/packaged-agent.ts'
import { startReleaseHub } from '../support/release-hub.ts'
import { until } from '../support/until.ts'

/** The new release has a minute to prove itself. */
const PROVED_WITHIN_MS = 110_000

const reportSchema = z.object({
  agent: z.object({ value: z.object({ version: z.string() }) }),
  update: z.object({
    value: z.object({ state: z.string(), version: z.string().nullable(), reason: z.string().nullable() }),
  }),
})

test('an installed agent takes the release of its hub, keeps it, and comes back from one that does not start', async (t) => {
  t.timeout(240_000)
  if (OWN_ARCHITECTURE === undefined) return t.log('the agent is not packaged for this machine')
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-update-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [first, second] = [await buildTarball('1.0.0'), await buildTarball('1.1.0')]
  await writeFile(join(folder, 'first'), first)
  await using hub = await startReleaseHub()
  await using agent = await PackagedAgent.install(join(folder, 'first'))
  t.regex(await agent.enrol(await enrolmentOf(hub.hub, 'box')), /is now node box of/)
  agent.start()
  const report = async () =>
    reportSchema.safeParse((await hub.hub.api('GET', '/v1/nodes/box/report')).body).data
  const runs = async (version: string) => (await report())?.agent.value.version === version
  await until(() => runs('1.0.0'), 'the hub hears of 1.0.0')
  t.is((await report())?.update.value.state, 'idle')

  // The hub's word is enough; the order only spares the half minute over which devices ask.
  const architecture = OWN_ARCHITECTURE
  await hub.publish('1.1.0', { file: second, architecture })
  t.regex(await agent.call('update'), /1\.1\.0 is taken as soon as nothing is on air/)
  await until(() => runs('1.1.0'), 'the hub hears of 1.1.0', 60_000)
  t.deepEqual(agent.ends, [87], agent.said)
  t.is((await report())?.update.value.state, 'trial')
  // A power cut in the trial is no fault of the release.
  agent.kill()
  await until(() => agent.ends.length === 2, 'the agent was killed')
  const done = async () => (await report())?.update.value.state === 'done'
  await until(done, 'the release has proved itself', PROVED_WITHIN_MS)
  t.regex(await agent.call('status'), /Release 1\.1\.0; update: 1\.1\.0 done/)

  const broken = await withEntry(second, '1.2.0', 'process.exit(1)\n')
  await hub.publish('1.2.0', { file: broken, architecture })
  const ends = agent.ends.length
  await agent.call('update', '1.2.0')
  const back = async () => (await report())?.update.value.state === 'rolled_back'
  await until(back, 'the release before is back', 60_000)
  t.deepEqual(agent.ends.slice(ends), [87, 1, 1, 1])
  t.like(await report(), { agent: { value: { version: '1.1.0' } }, update: { value: { version: '1.2.0' } } })
  t.regex((await report())?.update.value.reason ?? '', /ended three times/)
  await t.throwsAsync(agent.call('update'), { message: /no release for this device/ })
})
