import test from 'ava'
import { AUDIT_BURST_RULES, AuditBursts } from '../../../server/audit/audit-bursts.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'

const draft = (at: number, more: Partial<AuditDraft> = {}): AuditDraft => ({
  tenant_id: 't1',
  at,
  actor: 'anonymous',
  action: 'subscribe',
  object: 'stream/cam-1',
  outcome: 'grant',
  detail: { rule: 'r' },
  ...more,
})

function rig() {
  const written: AuditDraft[] = []
  const failures: unknown[] = []
  let [now, failing] = [0, false]
  const bursts = new AuditBursts({
    write: async (record) => {
      if (failing) throw new Error('no database')
      written.push(record)
    },
    failed: (error) => failures.push(error),
    now: () => now,
  })
  return {
    bursts,
    written,
    failures,
    fail: (yes: boolean) => {
      failing = yes
    },
    async pass(ms: number) {
      now += ms
      await bursts.sweep()
    },
  }
}

test('the first is recorded at once, what repeats once a window, and it adds up', async (t) => {
  const { bursts, written, pass } = rig()
  for (let at = 0; at < 1000; at += 1) await bursts.note(draft(at), true)
  t.deepEqual(written, [draft(0)])
  await pass(AUDIT_BURST_RULES.windowMs - 1)
  t.is(written.length, 1)
  await pass(1)
  t.deepEqual(written[1], draft(999, { detail: { rule: 'r', repeated: 999, since: 1 } }))
  await bursts.note(draft(5000), true)
  t.is(written.length, 2, 'it goes on: counted')
  await pass(AUDIT_BURST_RULES.windowMs)
  t.like(written[2], { at: 5000, detail: { repeated: 1, since: 5000 } })
  await pass(AUDIT_BURST_RULES.windowMs)
  await bursts.note(draft(9000), true)
  t.deepEqual(written[3], draft(9000), 'after a quiet window the next is a first')
  await bursts[Symbol.asyncDispose]()
  t.is(written.length, 4)
})

test('what the asker makes up does not multiply records; what is granted is told apart', async (t) => {
  const { bursts, written } = rig()
  for (let at = 0; at < 500; at += 1)
    await bursts.note(draft(at, { object: `stream/made-up-${at}`, outcome: 'stream_not_found' }), false)
  for (const object of ['stream/cam-1', 'stream/cam-2', 'stream/cam-1'])
    await bursts.note(draft(1, { object }), true)
  for (const actor of ['token:a', 'token:b']) await bursts.note(draft(1, { actor }), true)
  t.is(written.length, 1 + 2 + 2)
  await bursts[Symbol.asyncDispose]()
  const counted = written.slice(5)
  t.is(counted.length, 2)
  const { repeated, objects } = counted[0]!.detail
  t.is(repeated, 499)
  t.deepEqual(
    objects,
    [1, 2, 3, 4, 5].map((at) => `stream/made-up-${at}`),
  )
})

test('kinds of a tenant are bounded, and none is lost', async (t) => {
  const { bursts, written } = rig()
  const all = AUDIT_BURST_RULES.kindsOfTenant + 500
  for (let at = 0; at < all; at += 1) await bursts.note(draft(at, { actor: `user:${at}` }), true)
  t.is(written.length, AUDIT_BURST_RULES.kindsOfTenant + 1)
  await bursts[Symbol.asyncDispose]()
  const { actor, detail } = written.at(-1)!
  t.is(actor, 'several')
  t.is(detail['repeated'], 499)
  const firstFive = [1, 2, 3, 4, 5].map((at) => `user:${AUDIT_BURST_RULES.kindsOfTenant + at}`)
  t.deepEqual(detail['actors'], firstFive)
})

test('a tenant with many kinds hides nothing in another tenant, and forges nothing there', async (t) => {
  const { bursts, written, pass } = rig()
  for (const tenant_id of ['t1', 't2', 't3'])
    for (let at = 0; at < AUDIT_BURST_RULES.kinds; at += 1)
      await bursts.note(draft(at, { tenant_id, actor: `user:${at}` }), true)
  written.length = 0
  const others = [
    draft(1, { tenant_id: 't4', actor: 'user:bob' }),
    draft(2, { tenant_id: 't5', actor: 'user:eve' }),
  ]
  for (const each of others) await bursts.note(each, true)
  t.deepEqual(written, others)
  written.length = 0
  await bursts.note(others[0]!, true)
  await bursts.note(draft(3, { actor: 'user:mallory' }), true)
  await pass(AUDIT_BURST_RULES.windowMs)
  const [bobs, ...more] = written.filter(({ tenant_id }) => tenant_id === 't4')
  t.deepEqual([bobs?.actor, bobs?.detail['repeated'], more.length], ['user:bob', 1, 0])
  t.true(written.every(({ tenant_id, actor }) => tenant_id === 't4' || actor === 'several'))
  // Kinds that are over make room again.
  await pass(AUDIT_BURST_RULES.windowMs)
  written.length = 0
  for (const actor of ['user:1', 'user:2']) await bursts.note(draft(9, { actor }), true)
  t.is(written.length, 2)
})

test('a database that is away loses no count, and a first is refused as it should be', async (t) => {
  const { bursts, written, failures, fail, pass } = rig()
  fail(true)
  await t.throwsAsync(bursts.note(draft(0), true), { message: 'no database' })
  await t.throwsAsync(bursts.note(draft(1), true), { message: 'no database' })
  fail(false)
  for (const at of [2, 3, 4]) await bursts.note(draft(at), true)
  t.is(written.length, 1)
  fail(true)
  await pass(AUDIT_BURST_RULES.windowMs)
  t.is(failures.length, 1)
  fail(false)
  await bursts.note(draft(5), true)
  await pass(AUDIT_BURST_RULES.windowMs)
  t.like(written[1], { at: 5, detail: { repeated: 3, since: 3 } })
  await bursts[Symbol.asyncDispose]()
})
