import type { ExecutionContext, TestFn } from 'ava'
import type { ErrorCode } from '../../../common/error-codes.ts'
import { CodedError } from '../../../common/errors.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import { verifyChain } from '../../../server/audit/verify-chain.ts'
import { MAX_DOCUMENT_BYTES } from '../../../server/store/prepared-write.ts'
import { type Change, cursorOf, type Store } from '../../../server/store/store.ts'

/** Opens an empty store; several of one test are of different databases. */
export type OpenStore = (options?: { maxWaiting?: number }) => Promise<Store>

export const put = (id: string, body: unknown, expected_version?: number, tenant_id = 't1'): Change => ({
  op: 'put',
  kind: 'node',
  tenant_id,
  id,
  body,
  expected_version,
})

export const remove = (id: string, expected_version?: number): Change => ({
  op: 'delete',
  kind: 'node',
  tenant_id: 't1',
  id,
  expected_version,
})

export const draft = (action: string, tenant_id = 't1'): AuditDraft => ({
  tenant_id,
  at: 1_700_000_000_000,
  actor: 'token:admin',
  action,
  object: 'node:n1',
  outcome: 'done',
  detail: { zulu: 1, alpha: { y: [1, 'ü', null], x: '\u0000' } },
})

async function refusal(t: ExecutionContext, promise: Promise<unknown>, code: ErrorCode): Promise<CodedError> {
  const error = await t.throwsAsync(promise, { instanceOf: CodedError })
  t.is(error?.code, code)
  return error!
}

/** What every store must do, whatever is behind it. */
export function storeCompliance(test: TestFn, open: OpenStore): void {
  test('a document is read back as it was put', async (t) => {
    await using store = await open()
    const body = {
      text: 'a "b" \\ \u0000 \ud83d\ude00',
      list: [1, 2.5, null, true],
      __proto__x: {},
      big: 2 ** 53 - 1,
    }
    const before = Date.now()
    t.deepEqual(await store.write([put('n1', body)]), [1])
    const { updated_at, ...document } = (await store.get('node', 't1', 'n1'))!
    t.deepEqual(document, { kind: 'node', tenant_id: 't1', id: 'n1', version: 1, body })
    t.true(updated_at >= before && updated_at <= Date.now())
    t.deepEqual(await store.write([put('n1', null)]), [2])
    t.is((await store.get('node', 't1', 'n1'))?.body, null)
  })

  test('kinds and tenants are kept apart', async (t) => {
    await using store = await open()
    await store.write([put('n1', 'one'), put('n1', 'two', 0, 't2'), { ...put('n1', 'three'), kind: 'flow' }])
    t.is((await store.get('node', 't1', 'n1'))?.body, 'one')
    t.is((await store.get('node', 't2', 'n1'))?.body, 'two')
    t.is((await store.get('flow', 't1', 'n1'))?.body, 'three')
    t.is(await store.get('node', 't3', 'n1'), undefined)
    t.deepEqual(
      (await store.list('node', 't1')).map(({ body }) => body),
      ['one'],
    )
  })

  test('versions are counted and demanded', async (t) => {
    await using store = await open()
    await store.write([put('n1', 1, 0)])
    const conflict = await refusal(t, store.write([put('n1', 2, 0)]), 'version_conflict')
    t.is(conflict.status, 412)
    t.regex(conflict.message, /node "t1\/n1" is at version 1/)
    t.deepEqual(await store.write([put('n1', 2, 1)]), [2])
    await refusal(t, store.write([put('n1', 3, 1)]), 'version_conflict')
    await refusal(t, store.write([remove('n1', 1)]), 'version_conflict')
    t.deepEqual(await store.write([remove('n1', 2)]), [0])
    t.is(await store.get('node', 't1', 'n1'), undefined)
    await refusal(t, store.write([put('n1', 4, 2)]), 'version_conflict')
    t.deepEqual(await store.write([remove('n1')]), [0], 'what is not there can be deleted')
    t.deepEqual(await store.write([put('n1', 5, 0)]), [1])
  })

  test('a write is made as a whole or not at all, its record with it', async (t) => {
    await using store = await open()
    await store.write([put('a', 1)], [draft('first')])
    await refusal(
      t,
      store.write([put('b', 1), remove('a'), put('c', 1, 7)], [draft('never')]),
      'version_conflict',
    )
    t.deepEqual(
      (await store.list('node', 't1')).map(({ id }) => id),
      ['a'],
    )
    t.deepEqual(
      (await store.auditPage(null, { limit: 10 })).map(({ action }) => action),
      ['first'],
    )
    t.deepEqual(
      await store.write([put('d', 1, 0), put('d', 2, 1), remove('a', 1), remove('d', 2)]),
      [1, 2, 0, 0],
    )
    t.deepEqual(await store.list('node', 't1'), [])
  })

  test('of writes that arrive together each has its own outcome', async (t) => {
    await using store = await open()
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) =>
        store.write([put(`n${index % 20}`, index, index < 40 ? 0 : 1)], [draft(`write ${index}`)]),
      ),
    )
    const made = results.map(({ status }) => status === 'fulfilled')
    t.deepEqual(
      made,
      results.map((_, index) => index < 20 || index >= 40),
      'creating twice fails, updating version 1 does not',
    )
    t.is((await store.list('node', null)).length, 20)
    t.true((await store.list('node', null)).every(({ version }) => version === 2))
    t.deepEqual(
      (await store.auditPage(null, { limit: 100 })).map(({ action }) => action),
      made.flatMap((was, index) => (was ? [`write ${index}`] : [])),
    )
  })

  test('many writers of one counter lose no count', async (t) => {
    await using store = await open()
    await store.write([put('counter', 0)])
    const increment = async (): Promise<void> => {
      const { body, version } = (await store.get('node', 't1', 'counter'))!
      try {
        await store.write([put('counter', Number(body) + 1, version)])
      } catch (error) {
        if (error instanceof CodedError && error.code === 'version_conflict') return increment()
        throw error
      }
    }
    await Promise.all(Array.from({ length: 12 }, increment))
    t.like(await store.get('node', 't1', 'counter'), { body: 12, version: 13 })
  })

  test('lists come in byte order and in pages', async (t) => {
    await using store = await open()
    const ids = ['B', 'a', 'Z9', 'a-1', 'a.1', 'a_1', '10', '9', 'aa']
    await store.write(ids.flatMap((id) => [put(id, id), put(id, id, 0, 't0')]))
    const sorted = [...ids].sort()
    t.deepEqual(
      (await store.list('node', 't1')).map(({ id }) => id),
      sorted,
    )
    const seen: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await store.list('node', 't1', { after, limit: 4 })
      seen.push(...page.map(({ id }) => id))
      after = page.at(-1)?.id
      if (page.length < 4) break
    }
    t.deepEqual(seen, sorted)
    const all: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await store.list('node', null, { after, limit: 5 })
      all.push(...page.map(cursorOf))
      if (page.length < 5) break
      after = cursorOf(page.at(-1)!)
    }
    t.deepEqual(
      all,
      ['t0', 't1'].flatMap((tenant) => sorted.map((id) => `${tenant} ${id}`)),
    )
    t.deepEqual(await store.list('node', 't1', { after: 'zzz' }), [])
    t.is((await store.list('node', 't1', { limit: -3 })).length, 1)
  })

  test('names that can not be are not found and not written', async (t) => {
    await using store = await open()
    const names = ['', ' ', '\0', 'a\0b', 'a b', 'ü', '\ud800', 'x'.repeat(257)]
    for (const name of names) {
      t.is(await store.get('node', 't1', name), undefined)
      t.is(await store.get(name, 't1', 'n1'), undefined)
      t.deepEqual(await store.list('node', name), [])
      t.deepEqual(await store.list('node', 't1', { after: name }), [])
      t.deepEqual(await store.list('node', null, { after: name }), [])
      t.deepEqual(await store.auditPage(name, { limit: 1 }), [])
      await refusal(t, store.write([put(name, 1)]), 'bad_document')
      await refusal(t, store.write([put('n1', 1, undefined, name)]), 'bad_document')
    }
    for (const id of [
      "'; DROP TABLE lanecast_document; --",
      '../../etc',
      '__proto__',
      'constructor',
      '%',
      '$1',
    ]) {
      const key = id.replaceAll(' ', '_')
      await store.write([put(key, id)])
      t.is((await store.get('node', 't1', key))?.body, id)
    }
  })

  test('what JSON can not hold is refused alone', async (t) => {
    await using store = await open()
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const results = await Promise.allSettled([
      store.write([put('cycle', cycle)]),
      store.write([put('nothing', undefined)]),
      store.write([put('big', 'x'.repeat(MAX_DOCUMENT_BYTES))]),
      store.write([put('fine', 'x'.repeat(1_000_000))]),
      store.write([put('half', '\ud800')]),
      store.write([put('version', 1, -1)]),
      store.write([put('version', 1, 0.5)]),
      store.write([], [{ ...draft('deep'), detail: cycle }]),
      store.write([], [{ ...draft('when'), at: Number.NaN }]),
      store.write([], [{ ...draft('text \ud800 \0'), actor: 'a\0b' }]),
    ])
    t.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? 'done' : result.reason.code)),
      [
        'bad_document',
        'bad_document',
        'document_too_large',
        'done',
        'done',
        'bad_document',
        'bad_document',
        'not_json',
        'bad_document',
        'done',
      ],
    )
    t.is((await store.get('node', 't1', 'half'))?.body, '\ud800')
    t.true((await verifyChain(store)).ok)
  })

  test('the audit trail is read by tenant, from either end', async (t) => {
    await using store = await open()
    for (let index = 1; index <= 6; index++)
      await store.write([], [draft(`a${index}`, index % 2 ? 't1' : 't2')])
    const actions = async (tenant: string | null, page: Parameters<Store['auditPage']>[1]) =>
      (await store.auditPage(tenant, page)).map(({ action }) => action)
    t.deepEqual(await actions(null, { limit: 100 }), ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'])
    t.deepEqual(await actions('t1', { limit: 100 }), ['a1', 'a3', 'a5'])
    t.deepEqual(await actions('t2', { limit: 1, after_seq: 2 }), ['a4'])
    t.deepEqual(await actions(null, { limit: 2, newest_first: true }), ['a6', 'a5'])
    t.deepEqual(await actions(null, { limit: 2, newest_first: true, before_seq: 5 }), ['a4', 'a3'])
    const [first] = await store.auditPage('t1', { limit: 1 })
    t.like(first, { ...draft('a1'), seq: 1, prev_hash: '0'.repeat(64) })
    t.regex(first!.hash, /^[0-9a-f]{64}$/)
  })

  test('the chain of what was recorded holds', async (t) => {
    await using store = await open()
    t.like(await verifyChain(store), { ok: true, count: 0 })
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        store.write([put(`n${index}`, index)], [draft('x'), draft('y')]),
      ),
    )
    t.like(await verifyChain(store), { ok: true, count: 100 })
    t.is((await store.auditHead())?.seq, 100)
  })

  test('too many writes are turned away, those accepted are made', async (t) => {
    await using store = await open({ maxWaiting: 10 })
    t.deepEqual(store.queue, { waiting: 0, capacity: 10 })
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) => store.write([put(`n${index}`, index)])),
    )
    const refused = results.filter((result) => result.status === 'rejected')
    t.is(refused.length, 20)
    t.true(refused.every(({ reason }) => reason.code === 'store_saturated' && reason.status === 503))
    t.is((await store.list('node', 't1')).length, 10)
    await store.write([put('later', 1)])
  })

  test('closing waits for the writes that were accepted', async (t) => {
    const store = await open()
    const writes = [store.write([put('a', 1)]), store.write([put('b', 1)])]
    await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()])
    t.deepEqual(await Promise.all(writes), [[1], [1]])
    await refusal(t, store.write([put('c', 1)]), 'store_closed')
    await refusal(t, store.get('node', 't1', 'a'), 'store_closed')
  })
}
