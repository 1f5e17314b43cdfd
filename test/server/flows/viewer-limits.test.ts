import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import { type LimitedViewer, ViewerLimits } from '../../../server/flows/viewer-limits.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'

const AUDIT: AuditDraft = {
  tenant_id: 't1',
  at: 1,
  actor: 'user:olga',
  action: 'viewer.limits',
  object: 'stream/cam-1',
  outcome: 'done',
  detail: {},
}

const viewer = (name: string, more: Partial<LimitedViewer> = {}): LimitedViewer => ({
  tenantId: 't1',
  streamId: 'cam-1',
  holder: { anonymous: false, name },
  ...more,
})

test('a ceiling survives a restart, for its subject on its stream alone, until it is taken away', async (t) => {
  await using store = await openMemoryStore()
  const limits = await ViewerLimits.open(store)
  await limits.set(viewer('alice@example'), 2000, AUDIT)
  for (const known of [limits, await ViewerLimits.open(store)]) {
    t.is(known.of(viewer('alice@example')), 2000)
    t.is(known.of(viewer('bob')), null)
    t.is(known.of(viewer('alice@example', { streamId: 'cam-2' })), null)
    t.is(known.of(viewer('alice@example', { tenantId: 't2' })), null)
  }
  await limits.set(viewer('alice@example'), null, AUDIT)
  for (const known of [limits, await ViewerLimits.open(store)]) t.is(known.of(viewer('alice@example')), null)
  t.is((await store.auditPage('t1', { limit: 10 })).length, 2)
})

test('of a viewer without a token only the record is kept', async (t) => {
  await using store = await openMemoryStore()
  const limits = await ViewerLimits.open(store)
  const nobody = viewer('192.0.2.1', { holder: { anonymous: true, name: '192.0.2.1' } })
  await limits.set(nobody, 900, AUDIT)
  t.is(limits.of(nobody), null)
  t.is((await store.auditPage('t1', { limit: 10 })).length, 1)
  t.deepEqual(await store.list('viewer-limit', null), [])
})

test('a store that fails changes nothing', async (t) => {
  await using store = await openMemoryStore()
  const failing = {
    get: store.get.bind(store),
    list: store.list.bind(store),
    write: async () => {
      throw new CodedError('store_unavailable', 'no database')
    },
  }
  const limits = await ViewerLimits.open(failing)
  await t.throwsAsync(limits.set(viewer('alice'), 2000, AUDIT), { message: 'no database' })
  t.is(limits.of(viewer('alice')), null)
})
