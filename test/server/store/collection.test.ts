import test from 'ava'
import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { Collection } from '../../../server/store/collection.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'

const nodeSchema = z.strictObject({ role: z.enum(['sender', 'edge']), ports: z.array(z.int()).default([]) })
const audit = [
  {
    tenant_id: 't1',
    at: 1,
    actor: 'a',
    action: 'node.write',
    object: 'node:n1',
    outcome: 'done',
    detail: {},
  },
]

test('documents are typed, versioned and listed', async (t) => {
  await using store = await openMemoryStore()
  const nodes = new Collection(store, 'node', nodeSchema)
  t.is(await nodes.put('t1', 'n1', { role: 'edge', ports: [1] }, { expected_version: 0, audit }), 1)
  t.is(await nodes.put('t1', 'n1', { role: 'edge', ports: [2] }, { expected_version: 1 }), 2)
  t.like(await nodes.get('t1', 'n1'), {
    tenant_id: 't1',
    id: 'n1',
    version: 2,
    value: { role: 'edge', ports: [2] },
  })
  await nodes.put('t2', 'n2', { role: 'sender', ports: [] })
  t.deepEqual(
    (await nodes.list(null)).map(({ tenant_id, id }) => `${tenant_id}/${id}`),
    ['t1/n1', 't2/n2'],
  )
  t.is((await nodes.list('t2', { limit: 1 }))[0]?.value.role, 'sender')
  await t.throwsAsync(nodes.delete('t1', 'n1', { expected_version: 1 }), { code: 'version_conflict' })
  await nodes.delete('t1', 'n1', { expected_version: 2 })
  t.is(await nodes.get('t1', 'n1'), undefined)
  t.is((await store.auditPage('t1', { limit: 10 })).length, 1)
})

test('several collections change in one write', async (t) => {
  await using store = await openMemoryStore()
  const nodes = new Collection(store, 'node', nodeSchema)
  const names = new Collection(store, 'name', z.string())
  await nodes.put('t1', 'old', { role: 'edge', ports: [] })
  await store.write([nodes.deleteChange('t1', 'old', 1), names.putChange('t1', 'x', 'new', 0)], audit)
  t.is(await nodes.get('t1', 'old'), undefined)
  t.is((await names.get('t1', 'x'))?.value, 'new')
})

test('what an older release wrote is given its defaults, what does not fit is named', async (t) => {
  await using store = await openMemoryStore()
  const nodes = new Collection(store, 'node', nodeSchema)
  const raw = (id: string, body: unknown) =>
    store.write([{ op: 'put', kind: 'node', tenant_id: 't1', id, body }])
  await raw('old', { role: 'edge' })
  t.deepEqual((await nodes.get('t1', 'old'))?.value, { role: 'edge', ports: [] })
  await raw('broken', { role: 'king', ports: [1, 'x'] })
  const error = await t.throwsAsync(nodes.get('t1', 'broken'), { instanceOf: CodedError })
  t.is(error?.code, 'stored_document_invalid')
  t.is(error?.status, 500)
  t.regex(error!.message, /node "t1\/broken"/)
  t.regex(error!.details.join('\n'), /role:.*\n.*ports\.1:/)
  await t.throwsAsync(nodes.list('t1'), { code: 'stored_document_invalid' })
})
