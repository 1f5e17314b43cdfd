import test from 'ava'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import { LateAudit } from '../../../server/audit/late-audit.ts'
import { until } from '../../support/until.ts'

const draft = (at: number): AuditDraft => ({
  tenant_id: '_hub',
  at,
  actor: 'hub',
  action: 'alarm.raise',
  object: 'service:store',
  outcome: 'store_failing',
  detail: {},
})

function rig() {
  const written: AuditDraft[] = []
  const [failures, lost]: [unknown[], number[]] = [[], []]
  const state = { away: false, tries: 0 }
  const late = new LateAudit({
    write: async (drafts) => {
      state.tries += 1
      if (state.away) throw new Error('no database')
      written.push(...drafts)
    },
    failed: (error) => failures.push(error),
    lost: (count) => lost.push(count),
    againMs: 20,
  })
  return { late, written, failures, lost, state }
}

test('what happens while the database is away is on the trail afterwards, in order', async (t) => {
  const { late, written, failures, lost, state } = rig()
  late.record(draft(1))
  await until(() => written.length === 1, 'it is written at once')
  state.away = true
  for (const at of [2, 3]) late.record(draft(at))
  await until(() => state.tries >= 4, 'it is tried again')
  late.record(draft(4))
  t.is(failures.length, 1, 'said once')
  state.away = false
  await until(() => written.length === 4, 'all of it is written')
  t.deepEqual(
    written.map(({ at }) => at),
    [1, 2, 3, 4],
  )
  await late[Symbol.asyncDispose]()
  t.deepEqual(lost, [])
})

test('a flood without a database is bounded, tried by time, and counted', async (t) => {
  const { late, written, lost, state } = rig()
  state.away = true
  late.record(draft(0))
  await until(() => state.tries === 1, 'it was tried')
  for (let at = 1; at <= 1500; at += 1) late.record(draft(at))
  t.true(state.tries <= 2)
  t.is(
    lost.reduce((sum, count) => sum + count, 0),
    501,
  )
  state.away = false
  await late[Symbol.asyncDispose]()
  t.is(written.length, 1000)
  t.is(written.at(-1)?.at, 1500)
})
