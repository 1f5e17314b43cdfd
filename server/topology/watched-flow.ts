import type { Binding } from '../../common/wire/flow-contract.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { GraphLink, GraphNode, TopologySnapshot } from '../../policy/paths/graph.ts'
import { delayOf } from '../../policy/paths/link-delay.ts'

/** A flow under contract, as far as it must be watched. */
export interface WatchedFlow {
  readonly contractId: string
  readonly tenantId: string
  readonly streamId: string
  readonly streamClass: StreamClass
  /** As `path.nodes` and `path.links` of the decision that made it. */
  readonly nodes: readonly string[]
  readonly links: readonly string[]
  readonly bindings: readonly Binding[]
  /** It runs in mode `deterministic-wired`. */
  readonly deterministic: boolean
  /** The most that the flow may send, kb/s. */
  readonly kbps: number
  /** Granted p95 glass to glass, ms; null where the class has no target. */
  readonly budgetMs: number | null
  /** The latency that the decision calculated, ms. */
  readonly estimateMs: number
}

/** A flow's way through the graph: for each hop the links that carry the flow. */
export interface Route {
  readonly nodes: readonly GraphNode[]
  readonly hops: readonly (readonly GraphLink[])[]
  /** Packets are copied to all links of a bond, not shared among them. */
  readonly copies: boolean
}

/** The route of a flow. Links that are no longer in the graph are left out. */
export function routeOf(snapshot: TopologySnapshot, flow: WatchedFlow): Route {
  const found = flow.nodes.map((nodeId) => snapshot.node(flow.tenantId, nodeId))
  const nodes = found.filter((node) => node !== undefined)
  const bond = flow.bindings.flatMap(({ link_id, node_id }) => {
    const dialled = snapshot.node(flow.tenantId, node_id)
    const arc = dialled?.arcs.find(({ link, to }) => link.facts.linkId === link_id && nodes.includes(to))
    return arc ? [arc.link] : []
  })
  const path = flow.links.flatMap((linkId, index): GraphLink[][] => {
    const [from, to] = [found[index], found[index + 1]]
    const arc = from?.arcs.find((each) => each.link.facts.linkId === linkId && each.to === to)
    // The bond replaces the hop of its best link.
    return arc && !bond.some((link) => sameEnds(link, arc.link)) ? [[arc.link]] : []
  })
  return {
    nodes,
    hops: bond.length > 0 ? [bond, ...path] : path,
    copies: flow.bindings.every(({ weight }) => weight === 0),
  }
}

/** One-way delay of the whole route, ms. For copies the quicker link counts, for shares the slower. */
export function oneWayMs({ hops, copies }: Route, nowMs: number): number {
  let sum = 0
  for (const links of hops) {
    const rtts = links.map((link) => delayOf(link, nowMs).rttMs)
    if (rtts.length > 0) sum += (copies ? Math.min(...rtts) : Math.max(...rtts)) / 2
  }
  return sum
}

function sameEnds(one: GraphLink, other: GraphLink): boolean {
  return (one.from === other.from && one.to === other.to) || (one.from === other.to && one.to === other.from)
}
