import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { auditFacts } from '../../../server/audit/audit-facts.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import type { FactBody } from '../../../server/facts/fact.ts'
import { FactBus } from '../../../server/facts/fact-bus.ts'
import { factLines } from '../../../server/facts/fact-lines.ts'
import { Metrics } from '../../../server/metrics.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import { HUB_TENANT_ID } from '../../../server/store/store.ts'
import { openTopology } from '../../../server/topology/open-topology.ts'
import type { QosCause } from '../../../server/topology/trigger-queue.ts'
import { until } from '../../support/until.ts'
import { entry, flow, TENANT, wire } from './world.ts'

test('from a report to a reconsidered flow, an alarm, an audit record and the metrics', async (t) => {
  await using store = await openMemoryStore()
  const metrics = new Metrics()
  const audit: AuditDraft[] = []
  const causes: QosCause[] = []
  const consoles: string[] = []
  const facts = silentBus()
  await using _lines = factLines(facts, metrics, createLogger('fatal'))
  await using _records = auditFacts(facts, (draft) => audit.push(draft))
  await using _console = facts.subscribe({
    name: 'console',
    of: { tenantId: TENANT },
    kinds: ['alarm'],
    capacity: 10,
    take: (batch) => void consoles.push(...batch.map(({ body }) => body.alarm.kind)),
  })
  await using parts = await openTopology({
    store,
    metrics,
    logger: createLogger('fatal'),
    facts,
    streamClass: () => 'focus',
    targetMs: () => 200,
  })
  using _looked = parts.reconsiderBy(async (_flow, cause) => {
    causes.push(cause)
    return { betterSince: null }
  })
  const { directory, topology, intake, triggers, alarms } = parts
  await directory.put(null, 'hub-1', entry('hub'))
  topology.hold(null, 'hub-1', Date.now())
  await directory.put(TENANT, 'sender-1', entry('sender', { links: [wire('lte-1', 'hub-1')] }))
  const node = { tenantId: TENANT, key: 'node:sender-1', kind: 'node', nodeId: 'sender-1' } as const
  const report = (delivered: number) => ({
    node_id: 'sender-1',
    link_id: 'lte-1',
    rtt_ms: 20,
    jitter_ms: 1,
    loss: 0,
    bitrate_kbps: 3000,
    queue_depth: 0,
    at: Date.now(),
    packets_sent: 100,
    packets_delivered: delivered,
  })
  intake.accept(node, [report(100)])
  await until(() => topology.link(TENANT, 'sender-1', 'lte-1')?.evidence.admitted, 'the link serves')
  triggers.watch(flow())
  intake.accept(node, [{ ...report(1), link_id: 'lte-1', at: 5 }])
  intake.accept(node, [report(0)])
  await until(() => causes.includes('link_down'), 'the flow is looked at')
  await until(() => alarms.list(TENANT).length === 1, 'the alarm is raised')
  t.deepEqual(consoles, ['link_down'])
  t.true(
    audit.some(
      ({ action, tenant_id, object }) =>
        `${action} ${tenant_id} ${object}` === `node.up ${TENANT} node:sender-1`,
    ),
  )
  t.true(audit.some(({ action, tenant_id }) => action === 'node.up' && tenant_id === HUB_TENANT_ID))
  t.like(audit.at(-1), {
    action: 'alarm.raise',
    object: 'link:sender-1/lte-1',
    outcome: 'link_down',
    actor: 'hub',
  })
  const text = await metrics.registry.metrics()
  for (const line of [
    'lanecast_alarms{kind="link_down"} 1',
    'lanecast_alarms_raised_total{kind="link_down"} 1',
    'lanecast_telemetry_reports_total{outcome="applied"} 2',
    'lanecast_telemetry_reports_total{outcome="stale"} 1',
    'lanecast_links{standing="dead"} 1',
    'lanecast_nodes{role="sender",state="up"} 1',
    'bus_queue_depth{service="telemetry"} 0',
    'lanecast_slo_burn_ratio{class="focus",window="5m"} 0',
  ])
    t.true(text.includes(line), line)
  t.regex(text, /lanecast_reconsidered_total\{cause="link_down"\} \d/)
})

test('what is closed leaves no gauge behind', async (t) => {
  await using store = await openMemoryStore()
  const metrics = new Metrics()
  const parts = await openTopology({
    store,
    metrics,
    logger: createLogger('fatal'),
    facts: silentBus(),
    streamClass: () => undefined,
    targetMs: () => null,
  })
  t.true((await metrics.registry.metrics()).includes('bus_queue_depth{'))
  await parts[Symbol.asyncDispose]()
  t.false((await metrics.registry.metrics()).includes('bus_queue_depth{'))
})

function silentBus() {
  return new FactBus<FactBody>({ missed: () => {}, failed: () => {} })
}
