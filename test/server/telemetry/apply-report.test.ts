import test from 'ava'
import type { TelemetryReport } from '../../../common/wire/telemetry.ts'
import { standingOf } from '../../../policy/health.ts'
import { reportApplier } from '../../../server/telemetry/apply-report.ts'
import type { Reporter } from '../../../server/telemetry/intake.ts'
import { checkReports, reporterOf } from '../../../server/telemetry/reporter.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import { principal } from '../../policy/makers.ts'
import { T0, TENANT, world } from '../topology/world.ts'
import { linkReport } from './link-report.ts'

const NODE: Reporter = { tenantId: TENANT, key: 'node:sender-1', kind: 'node', nodeId: 'sender-1' }
const VIEWER: Reporter = { tenantId: TENANT, key: 'viewer:v1', kind: 'viewer', nodeId: null }

const report = (more: Partial<TelemetryReport> = {}) => linkReport(T0, more)

function rig() {
  const topology = world()
  const slo = new SloTracker((_tenantId, streamClass) => (streamClass === 'bulk' ? null : 200))
  const apply = reportApplier({
    topology,
    slo,
    streamClass: (tenantId, streamId) =>
      `${tenantId}/${streamId}` === `${TENANT}/cam-1` ? 'focus' : undefined,
  })
  return { topology, slo, apply }
}

test('what is too old, dated ahead or about nobody is dropped and said by name', (t) => {
  const { topology, apply } = rig()
  t.is(apply(NODE, report(), T0 + 100), 'applied')
  t.is(apply(NODE, report({ at: T0 - 30_001 }), T0), 'stale')
  t.is(apply(NODE, report({ at: T0 + 5001 }), T0), 'future')
  t.is(apply(NODE, report({ at: 0 }), T0), 'stale')
  t.is(apply(NODE, report({ at: T0 - 10_000 }), T0 + 100), 'outdated')
  t.is(apply({ ...NODE, tenantId: 'rival' }, report(), T0 + 100), 'unknown_node')
  t.is(apply(NODE, report({ link_id: 'x', to: 'nobody' }), T0 + 200), 'unknown_link')
  t.is(topology.link(TENANT, 'sender-1', 'lte-1')?.metrics?.at, T0 + 100, 'by the hub’s clock')
})

test('a report is a sign of life', (t) => {
  const { topology, apply } = rig()
  topology.sweep(T0 + 60_000)
  t.false(topology.record(TENANT, 'sender-1')?.up)
  const { link_id: _link, ...plain } = report({ at: T0 + 60_000 })
  t.is(apply(NODE, plain, T0 + 60_010), 'applied')
  t.true(topology.record(TENANT, 'sender-1')?.up)
})

test('probes are evidence and no load', (t) => {
  const { topology, apply } = rig()
  apply(NODE, report({ probe: true, bitrate_kbps: 500, packets_sent: 5, packets_delivered: 5 }), T0 + 10)
  const link = topology.link(TENANT, 'sender-1', 'lte-1')!
  t.is(link.metrics?.bitrateKbps, 0)
  t.is(standingOf(link.evidence, T0 + 10), 'serving')
})

test('an answered ping is no evidence', (t) => {
  const { topology, apply } = rig()
  const { packets_sent: _sent, packets_delivered: _delivered, ...pinged } = report({ rtt_ms: 5 })
  apply(NODE, pinged, T0 + 10)
  t.is(standingOf(topology.link(TENANT, 'sender-1', 'lte-1')!.evidence, T0 + 10), 'unproven')
})

test('viewers count for service levels and nothing else', (t) => {
  const { topology, slo, apply } = rig()
  const { link_id: _link, ...seen } = report({ node_id: 'hub-1', stream_id: 'cam-1' })
  for (let index = 0; index < 30; index += 1) {
    const at = T0 + index * 1000
    t.is(apply(VIEWER, { ...seen, at, glass_to_glass_ms: index < 15 ? 100 : 400 }, at + 20), 'applied')
  }
  t.is(apply(VIEWER, { ...seen, stream_id: 'cam-2', glass_to_glass_ms: 1 }, T0), 'unknown_stream')
  const [level] = slo.levels(T0 + 30_000)
  t.like(level, { tenantId: TENANT, streamClass: 'focus', count: 30, targetMs: 200 })
  t.is(level?.burn, 10, 'half of them missed, where one in twenty may')
  t.is(topology.link(null, 'hub-1', 'lte-1'), undefined)
})

test("a node reports about itself, an operator about the tenant's nodes, viewers about streams", (t) => {
  const node = reporterOf(principal({ role: 'node', id: 'sender-1', node_id: 'sender-1' }), TENANT)
  t.is(node.kind, 'node')
  t.notThrows(() => checkReports(node, [report()]))
  t.like(
    t.throws(() => checkReports(node, [report(), report({ node_id: 'sender-2' })])),
    {
      code: 'not_your_node',
      status: 403,
      details: ['report 1: node_id "sender-2" is not you'],
    },
  )
  for (const role of ['publisher', 'operator', 'admin'] as const)
    t.notThrows(() => checkReports(reporterOf(principal({ role }), TENANT), [report({ node_id: 'any' })]))
  const { link_id: _link, ...seen } = report({ stream_id: 'cam-1' })
  for (const role of ['viewer', 'director', 'anonymous'] as const) {
    const viewer = reporterOf(principal({ role }), TENANT)
    t.notThrows(() => checkReports(viewer, [seen]))
    t.like(
      t.throws(() => checkReports(viewer, [report({ stream_id: 'cam-1' })])),
      { code: 'not_your_node' },
    )
    const { stream_id: _stream, ...nothing } = seen
    t.like(
      t.throws(() => checkReports(viewer, [nothing])),
      { code: 'stream_missing', status: 400 },
    )
  }
})
