import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { startHub, type TestHub } from '../support/hub.ts'
import { startPostgres } from '../support/postgres.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import { until } from '../support/until.ts'

/** A hub whose database takes no writes says so by its readiness and by an alarm, and takes both back. */

const readiness = z.object({ ready: z.boolean(), degraded: z.array(z.string()) })
const alarms = z.object({ alarms: z.array(z.object({ kind: z.string(), message: z.string() })) })

const trail = z.object({ records: z.array(z.object({ action: z.string(), outcome: z.string() })) })

async function readyz(hub: TestHub) {
  return readiness.parse(await (await fetch(`${hub.url}/readyz`)).json())
}

async function storeAlarm(hub: TestHub): Promise<string | undefined> {
  const answer = alarms.parse((await hub.api('GET', '/v1/alarms')).body)
  return answer.alarms.find(({ kind }) => kind === 'store_failing')?.message
}

async function comesAndGoes(
  t: ExecutionContext,
  hub: TestHub,
  words: RegExp,
  takeAway: () => Promise<void>,
  giveBack: () => Promise<void>,
): Promise<void> {
  await until(async () => (await readyz(hub)).ready, 'the hub is ready')
  await takeAway()
  const refused = await hub.api('POST', '/v1/tokens', {
    role: 'viewer',
    subject: 'late',
    tenant_id: 'default',
  })
  t.is(refused.status, 503)
  const { ready, degraded } = await readyz(hub)
  t.false(ready)
  t.regex(degraded.join(), words)
  t.regex((await until(() => storeAlarm(hub), 'the alarm')) ?? '', words)
  t.is(await hub.metric('lanecast_alarms{kind="store_failing"}'), 1)
  await giveBack()
  await until(async () => (await readyz(hub)).ready, 'it is ready again, and nobody wrote')
  await until(async () => (await storeAlarm(hub)) === undefined, 'no alarm any more', 20_000)
  await hub.issueToken({ role: 'viewer' })
  const raised = async () => {
    const { records } = trail.parse((await hub.api('GET', '/v1/audit')).body)
    return records.some(({ action, outcome }) => action === 'alarm.raise' && outcome === 'store_failing')
  }
  await until(raised, 'the alarm is on the trail that could not be written then')
}

test('a full disk', async (t) => {
  const disk = mountSmallDisk(4096)
  if (!disk) return t.log('only root may mount a small disk')
  using _disk = disk
  await using hub = await startHub([], { dataDir: join(disk.folder, 'data') })
  await comesAndGoes(
    t,
    hub,
    /disk is full/,
    async () => disk.fill(),
    async () => disk.clear(),
  )
})

test('a PostgreSQL that is stopped', async (t) => {
  t.timeout(90_000)
  await using server = await startPostgres()
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-away-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const env = { DATABASE_URL: await server.createDatabase() }
  await using hub = await startHub([], { env, dataDir: join(folder, 'data') })
  await comesAndGoes(
    t,
    hub,
    /database can't be reached/,
    () => server.stop(),
    () => server.start(),
  )
})
