import type { PathDemand } from './constraints.ts'
import type { GraphLink, GraphNode } from './graph.ts'
import type { PlanQuestion } from './plan-question.ts'

/** The hard constraints of a request: tenancy, class, encryption, capacity, region, TSN. */
export function demandOf(question: PlanQuestion): PathDemand {
  const { request, facts, policy, streamClass, outside, capability, deterministic } = question
  const { videoKbps, glassToGlassMs, uplinks } = streamClass.profile
  const shared = uplinks !== 'duplicate' && outside !== null ? Math.max(1, outside.arcs.length) : 1
  return {
    tenantId: policy.tenantId,
    floorKbps: videoKbps.floor,
    firstLinkKbps: videoKbps.floor / shared,
    maxOneWayMs: glassToGlassMs,
    deterministic,
    capability,
    encryption: streamClass.encryption,
    hostNodeId: outside === null ? facts.peer.hostNodeId : null,
    direction: request.action === 'subscribe' ? 'out' : 'in',
    region: policy.requireRegion,
    settled: settledOf(question),
  }
}

/** Nodes and links that the flow already uses. */
function settledOf({ facts, policy }: PlanQuestion): ReadonlySet<GraphNode | GraphLink> {
  const settled = new Set<GraphNode | GraphLink>()
  if (!facts.current) return settled
  const links = new Set([...facts.current.links, ...facts.current.bindings.map(({ link_id }) => link_id)])
  for (const nodeId of facts.current.nodes) {
    const node = facts.topology.node(policy.tenantId, nodeId)
    if (node) settled.add(node)
  }
  for (const node of [...settled]) {
    if (!('arcs' in node)) continue
    for (const { link, to } of node.arcs)
      if (settled.has(to) && links.has(link.facts.linkId)) settled.add(link)
  }
  return settled
}
