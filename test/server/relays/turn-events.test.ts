import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import type { FactBody } from '../../../server/facts/fact.ts'
import { Metrics } from '../../../server/metrics.ts'
import { TurnEvents } from '../../../server/relays/turn-events.ts'
import { AlarmBook } from '../../../server/topology/alarms.ts'

const COUNTS = {
  allocations: 0,
  allocated_total: 0,
  bytes_to_clients: 0,
  bytes_to_peers: 0,
  packets_dropped: 0,
  refused: {},
  quota_refused: { user: 0, subject: 0, tenant: 0, address: 0, total: 0 },
} as const

/** What the TURN process tells, and what comes of it. */
function rig() {
  const clock = { now: 1_000_000 }
  const [facts, audited, raised] = [[] as FactBody[], [] as AuditDraft[], [] as string[]]
  const alarms = new AlarmBook({
    alarmRaised: ({ kind, tenant_id }) => raised.push(`+${kind} ${tenant_id}`),
    alarmCleared: ({ kind, tenant_id }) => raised.push(`-${kind} ${tenant_id}`),
  })
  const metrics = new Metrics()
  const events = new TurnEvents({
    metrics,
    facts: { tell: (_tenantId, body) => void facts.push(body) },
    alarms,
    audit: (draft) => audited.push(draft),
    logger: createLogger('fatal'),
    now: () => clock.now,
  })
  const value = async (series: string) => {
    const line = (await metrics.registry.metrics()).split('\n').find((each) => each.startsWith(`${series} `))
    return line === undefined ? null : Number(line.slice(series.length + 1))
  }
  const state = (more: Partial<Parameters<TurnEvents['state']>[0]>) =>
    events.state({ type: 'state', flows: [], ...COUNTS, ...more })
  const pass = (ms: number) => {
    clock.now += ms
    state({})
    alarms.sweep(clock.now)
  }
  return { events, facts, audited, raised, value, state, pass }
}

const PORTS = { udp: [{ ip: '127.0.0.1', port: 3478 }], tcp: [], tls: [] }

test('counters go on where a successor begins at nothing', async (t) => {
  const { events, value, state } = rig()
  events.ready(PORTS)
  state({ bytes_to_clients: 1000, allocated_total: 2, refused: { credentials: 3 } })
  state({ bytes_to_clients: 1500, allocated_total: 2, refused: { credentials: 3, expired: 1 } })
  events.trouble('died', 'SIGKILL', true)
  events.ready(PORTS)
  state({ bytes_to_clients: 200, allocated_total: 1, refused: { credentials: 1 } })
  t.is(await value('turn_bytes_total{direction="to_clients"}'), 1700)
  t.is(await value('turn_allocated_total'), 3)
  t.is(await value('turn_refused_total{reason="credentials"}'), 4)
  t.is(await value('turn_refused_total{reason="expired"}'), 1)
  t.is(await value('service_restarts_total{service="turn"}'), 1)
})

test('a death is told, and so is the successor; what never worked is no restart', async (t) => {
  const { events, facts, raised, value } = rig()
  events.trouble('failed', 'bind EADDRINUSE', false)
  events.trouble('died', 'exit code 1', false)
  t.deepEqual(facts, [])
  t.is(await value('service_restarts_total{service="turn"}'), null)
  t.is(await value('errors_total{stage="turn",kind="failed"}'), 1)
  t.deepEqual(raised, ['+relay_unavailable null'])
  events.ready(PORTS)
  events.trouble('died', 'SIGSEGV', true)
  t.like(facts.at(-1), { kind: 'child', subject: 'service:turn', died: 'SIGSEGV' })
  events.ready(PORTS)
  t.like(facts.at(-1), { kind: 'child', subject: 'service:turn', died: null })
})

test('refusals reach the trail of a tenant only where its name was proved', (t) => {
  const { events, audited } = rig()
  const refused = { type: 'refused', client: '192.0.2.1', username_tenant: 'acme', count: 2 } as const
  const tenants: [string, string | null, string][] = [
    ['credentials', 'acme', '_hub'],
    ['expired', 'acme', 'acme'],
    ['peer', 'acme', 'acme'],
    ['quota_tenant', 'acme', 'acme'],
    ['credentials', null, '_hub'],
    ['constructor', 'acme', '_hub'],
  ]
  for (const [reason, username_tenant] of tenants) events.refused({ ...refused, reason, username_tenant })
  t.deepEqual(
    audited.map(({ tenant_id, outcome }) => [outcome, tenant_id]),
    tenants.map(([reason, , tenant]) => [reason, tenant]),
  )
  t.like(audited[0], { actor: 'address:192.0.2.1', action: 'turn.refuse', detail: { count: 2 } })
})

test('a taken quota is an alarm until it refuses nobody any more', (t) => {
  const { events, raised, state, pass } = rig()
  events.ready(PORTS)
  state({ quota_refused: { ...COUNTS.quota_refused, user: 5 } })
  t.deepEqual(raised, [])
  state({ quota_refused: { ...COUNTS.quota_refused, user: 5, total: 1 } })
  events.refused({
    type: 'refused',
    reason: 'quota_tenant',
    client: '192.0.2.1',
    username_tenant: 'acme',
    count: 1,
  })
  pass(1000)
  t.deepEqual(raised.toSorted(), ['+relay_quota acme', '+relay_quota null'])
  pass(6000)
  pass(30_000)
  t.is(raised.length, 2)
  pass(60_000)
  t.deepEqual(raised.slice(2).toSorted(), ['-relay_quota acme', '-relay_quota null'])
})
