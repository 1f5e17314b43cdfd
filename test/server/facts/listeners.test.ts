import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import type { Alarm } from '../../../common/wire/alarm.ts'
import { SLATE, type SwitchCause } from '../../../common/wire/switched-inputs.ts'
import { auditFacts } from '../../../server/audit/audit-facts.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import type { FactBody } from '../../../server/facts/fact.ts'
import { FactBus } from '../../../server/facts/fact-bus.ts'
import { HUB_TENANT_ID } from '../../../server/store/store.ts'
import { mediaConditions } from '../../../server/topology/media-conditions.ts'
import { webhookFacts } from '../../../server/webhooks/webhook-facts.ts'
import type { HappenedEvent } from '../../../server/webhooks/webhooks.ts'
import type { Switched } from '../../../sfu/switch/switch-status.ts'

const stream = { tenantId: 't1', streamId: 'cam-1' }
const switchedBy = (cause: SwitchCause, to: string): Switched => ({
  from: 'cam-1.primary',
  to,
  cause,
  reason: 'because',
  audio: null,
  taken: null,
  at_unix_ms: 77,
  capture_unix_ms: null,
})
const alarm: Alarm = {
  kind: 'link_down',
  tenant_id: 't1',
  subject: 'link:n1/lte',
  message: 'silent',
  raised_at: 5,
}

function rig() {
  const told: string[] = []
  const bus = new FactBus<FactBody>({
    missed: (listener, tenantId, { count }) => told.push(`${listener} missed ${count} of ${tenantId}`),
    failed: (listener, error) => told.push(`${listener}: ${error}`),
    clock: { wall: () => 77 },
  })
  return { bus, told }
}

test("webhooks hear of streams, contracts and nodes of tenants, with the fact's own time", async (t) => {
  const { bus } = rig()
  const events: HappenedEvent[] = []
  webhookFacts(bus, { report: async (event) => void events.push(event) })
  bus.tell('t1', { kind: 'stream', stream, state: { state: 'waiting' } })
  bus.tell('t1', { kind: 'stream', stream, state: { state: 'refused', reason: 'B-frames' } })
  const contract = { contract_id: 'c1', stream_id: 'cam-1', version: 2, class: 'focus' } as const
  bus.tell('t1', { kind: 'contract', news: 'renewed', contract })
  const cut = { input: 'cam-1', by: 'user:ann', at_unix_ms: 70 }
  bus.tell('t1', { kind: 'program', programId: 'main', news: 'taken', data: cut })
  bus.tell('t1', { kind: 'node', nodeId: 'n1', up: false })
  bus.tell('t1', { kind: 'alarm', alarm, cleared: null })
  // What the hub shares with every tenant is no tenant's event.
  bus.tell(null, { kind: 'node', nodeId: 'hub', up: true })
  await setImmediate()
  const about = { tenant_id: 't1', at: 77 }
  t.deepEqual(events, [
    { ...about, event: 'stream.refused', data: { stream_id: 'cam-1', reason: 'B-frames' } },
    { ...about, event: 'contract.renewed', data: contract },
    { ...about, event: 'program.taken', data: { program_id: 'main', ...cut } },
    { ...about, event: 'node.offline', data: { node_id: 'n1' } },
  ])
})

test('while the store hangs, what webhooks miss is bounded and said, and other tenants hear theirs', async (t) => {
  const { bus, told } = rig()
  const events: HappenedEvent[] = []
  let letGo = () => {}
  webhookFacts(bus, {
    report(event) {
      events.push(event)
      return event.tenant_id === 't1' ? new Promise((resolve) => (letGo = resolve)) : Promise.resolve()
    },
  })
  bus.tell('t1', { kind: 'node', nodeId: 'n0', up: true })
  await setImmediate()
  for (let count = 1; count <= 1500; count += 1)
    bus.tell('t1', { kind: 'node', nodeId: `n${count}`, up: true })
  bus.tell('t2', { kind: 'node', nodeId: 'other', up: true })
  await setImmediate()
  t.deepEqual(
    events.map(({ data }) => data['node_id']),
    ['n0', 'other'],
  )
  letGo()
  await setImmediate()
  t.deepEqual(told, ['webhooks missed 500 of t1'])
  t.is(events[2]?.data['node_id'], 'n501')
  t.is(events.length, 2 + 1000)
})

test('a switch is told to webhooks and put on the audit trail, with its reason', async (t) => {
  const { bus } = rig()
  const events: HappenedEvent[] = []
  const drafts: AuditDraft[] = []
  webhookFacts(bus, { report: async (event) => void events.push(event) })
  auditFacts(bus, (draft) => drafts.push(draft))
  bus.tell('t1', { kind: 'switched', stream, event: switchedBy('silent', 'cam-1.standby') })
  await setImmediate()
  const said = { from: 'cam-1.primary', to: 'cam-1.standby', reason: 'because' }
  t.deepEqual(events, [
    {
      event: 'stream.switched',
      tenant_id: 't1',
      at: 77,
      data: { stream_id: 'cam-1', cause: 'silent', ...said },
    },
  ])
  t.deepEqual(drafts, [
    {
      tenant_id: 't1',
      at: 77,
      actor: 'hub',
      action: 'stream.switch',
      object: 'stream/cam-1',
      outcome: 'silent',
      detail: said,
    },
  ])
})

test('alarms and nodes are put on the audit trail of their tenant', async (t) => {
  const { bus } = rig()
  const drafts: AuditDraft[] = []
  const records = auditFacts(bus, (draft) => drafts.push(draft))
  bus.tell('t1', { kind: 'alarm', alarm, cleared: null })
  bus.tell('t1', { kind: 'alarm', alarm, cleared: { why: 'recovered', afterMs: 1000.4 } })
  bus.tell(null, { kind: 'node', nodeId: 'edge-1', up: true })
  // What was told before the end is recorded.
  await records[Symbol.asyncDispose]()
  const [who, what] = [
    { at: 77, actor: 'hub' },
    { object: alarm.subject, outcome: 'link_down' },
  ]
  t.deepEqual(drafts, [
    { ...who, ...what, tenant_id: 't1', action: 'alarm.raise', detail: { message: 'silent' } },
    { ...who, ...what, tenant_id: 't1', action: 'alarm.clear', detail: { why: 'recovered', after_ms: 1000 } },
    {
      ...who,
      tenant_id: HUB_TENANT_ID,
      action: 'node.up',
      object: 'node:edge-1',
      outcome: 'up',
      detail: {},
    },
  ])
})

test('lost inputs and dead children become alarms, and measurements of viewers count', async (t) => {
  const { bus } = rig()
  const noted: string[] = []
  mediaConditions(bus, {
    alarms: {
      report: ({ kind, tenantId, subject }, holds) => noted.push(`${kind} ${tenantId} ${subject} ${holds}`),
      gone: ({ kind, subject }) => noted.push(`${kind} ${subject} gone`),
    },
    slo: { record: ({ tenantId, viewer }, ms) => noted.push(`${tenantId} ${viewer} ${ms}`) },
    now: () => 1,
  })
  bus.tell('t1', { kind: 'stream', stream, state: { state: 'input_lost' } })
  bus.tell('t1', { kind: 'stream', stream, state: { state: 'live' } })
  bus.tell('t1', { kind: 'ports', stream, taken: 'another program has port 9500' })
  bus.tell('t1', { kind: 'switched', stream, event: switchedBy('silent', 'cam-1.standby') })
  bus.tell('t1', { kind: 'switched', stream, event: switchedBy('returned', 'cam-1.primary') })
  bus.tell('t1', { kind: 'switched', stream, event: switchedBy('silent', SLATE) })
  bus.tell('t1', { kind: 'merge_refused', stream, inputs: ['cam-1.primary', 'cam-1.standby'] })
  bus.tell('t1', { kind: 'stream', stream, state: { state: 'ended' } })
  bus.tell(null, { kind: 'child', subject: 'service:worker-0', died: 'it died' })
  bus.tell('t1', { kind: 'lateness', stream, streamClass: 'focus', viewer: 'v1', glassToGlassMs: 90 })
  await setImmediate()
  t.deepEqual(noted.sort(), [
    'input_lost stream:cam-1 gone',
    'input_lost t1 stream:cam-1 false',
    'input_lost t1 stream:cam-1 true',
    'merge_refused stream:cam-1 gone',
    'merge_refused t1 stream:cam-1 false',
    'merge_refused t1 stream:cam-1 true',
    'on_standby stream:cam-1 gone',
    'on_standby t1 stream:cam-1 false',
    'on_standby t1 stream:cam-1 false',
    'on_standby t1 stream:cam-1 true',
    'port_unavailable stream:cam-1 gone',
    'port_unavailable t1 stream:cam-1 true',
    'service_restarting null service:worker-0 true',
    'service_restarting stream:cam-1 gone',
    't1 v1 90',
  ])
})
