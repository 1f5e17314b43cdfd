import { SYSTEM_CLOCK, wallOf } from '../../common/clock.ts'
import type { LinkView, NodeView } from '../../common/wire/topology.ts'
import { describeStanding, freshness, standingOf } from '../../policy/health.ts'
import type { GraphLink } from '../../policy/paths/graph.ts'
import type { Topology } from './graph.ts'
import type { NodeRecord } from './node-record.ts'
import { reputationAt } from './reputation.ts'

/** The nodes that a tenant sees: its own, and those that the hub shares. `null` is the hub's admin, who sees all. */
export function visibleNodes(topology: Topology, tenantId: string | null, nowMs: number): NodeView[] {
  const visible = (owner: string | null) => tenantId === null || owner === null || owner === tenantId
  return [...topology.records()]
    .filter((record) => visible(record.tenantId))
    .map((record) => nodeView(record, tenantId, nowMs))
    .sort((a, b) => compare(a.node_id, b.node_id) || compare(a.tenant_id ?? '', b.tenant_id ?? ''))
}

/** A tenant's own links. Links between shared nodes are the hub's. `null` is the hub's admin, who sees all. */
export function visibleLinks(topology: Topology, tenantId: string | null, nowMs: number): LinkView[] {
  return [...topology.links()]
    .filter(({ facts }) => tenantId === null || facts.tenantId === tenantId)
    .map((link) => linkView(topology, link, nowMs))
    .sort(
      (a, b) =>
        compare(a.from, b.from) ||
        compare(a.link_id, b.link_id) ||
        compare(a.tenant_id ?? '', b.tenant_id ?? ''),
    )
}

/** @param reader the tenant that reads: the load of a shared node would give away the load of other tenants */
export function nodeView(record: NodeRecord, reader: string | null, nowMs: number): NodeView {
  const { tenantId, nodeId, entry } = record
  const load = reader === null || reader === tenantId ? record.load : null
  return {
    node_id: nodeId,
    tenant_id: tenantId,
    role: entry.role,
    up: record.up,
    last_seen: record.lastSeen === null ? null : wallOf(SYSTEM_CLOCK, record.lastSeen),
    region: entry.region,
    segments: entry.segments,
    ptp: entry.ptp,
    tsn: entry.tsn,
    reputation: rounded(reputationAt(record.reputation, nowMs), 3),
    load: load && { worker_cpu: rounded(load.workerCpu, 3), flows: load.flows, kbps: Math.round(load.kbps) },
    max_flows: entry.max_flows,
    max_kbps: entry.max_kbps,
    labels: entry.labels,
    draining: entry.draining,
  }
}

function linkView(topology: Topology, link: GraphLink, nowMs: number): LinkView {
  const { facts, metrics, evidence, from } = link
  const learned = topology.record(from.facts.tenantId, from.facts.nodeId)?.learned.has(facts.linkId)
  return {
    link_id: facts.linkId,
    tenant_id: facts.tenantId,
    from: facts.from,
    to: facts.to,
    medium: facts.medium,
    declared: learned !== true,
    capacity_kbps: facts.capacityKbps,
    standing: standingOf(evidence, nowMs),
    health: describeStanding(evidence, nowMs),
    breaks: evidence.breaks,
    freshness: rounded(freshness(metrics?.at ?? null, nowMs), 3),
    newest: metrics && {
      age_ms: Math.max(0, Math.round(nowMs - metrics.at)),
      rtt_ms: metrics.rttMs,
      jitter_ms: metrics.jitterMs,
      loss: metrics.loss,
      bitrate_kbps: metrics.bitrateKbps,
      queue_depth: metrics.queueDepth,
    },
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
