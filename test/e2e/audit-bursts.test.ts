import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openAuditSource } from '../../server/store/open-audit-source.ts'
import { startHub } from '../support/hub.ts'

/** A flood of requests by nobody in particular: granted, and refused for streams that they made up. */
const FLOOD = 200

test('a flood of requests leaves a handful of audit records, which add up', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-bursts-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await using hub = await startHub([{ streamId: 'cam-1' }], { dataDir: join(folder, 'data'), workers: 1 })
  const ask = (stream_id: string, token: string | null) =>
    hub.api('POST', '/v1/subscribe', { stream_id, tenant_id: 'default' }, token)
  const viewer = await hub.issueToken({ role: 'viewer' })
  const statuses = new Map<number, number>()
  for (let index = 0; index < FLOOD; index += 1)
    for (const { status } of [
      await ask('cam-1', viewer),
      await ask(`made-up-${index}`, null),
      await ask(`made-up-${index}`, viewer),
    ])
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
  t.log(Object.fromEntries(statuses))
  const [granted = 0, refused = 0] = [statuses.get(200), statuses.get(404)]
  t.is(granted, FLOOD)
  t.is(refused, FLOOD)
  await hub.stop()
  await using source = await openAuditSource({ kind: 'sqlite', folder: join(folder, 'data') })
  const subscribes = (await source.auditRows(0, 10_000)).filter(({ action }) => action === 'subscribe')
  t.true(subscribes.length <= 6, `${subscribes.length} records`)
  const counted = subscribes.reduce((sum, { detail }) => sum + (JSON.parse(detail).repeated ?? 1), 0)
  // A caller without a proof is asked for one before any decision, and that makes no record.
  t.is(counted, granted + refused)
})
