import type { DecisionRequest } from '../../common/wire/decision.ts'
import { enter, isOverlay, type PathDemand, rejectNode } from './constraints.ts'
import type { GraphNode } from './graph.ts'
import { lastMile, lastMiles } from './last-mile.ts'
import type { PlanQuestion } from './plan-question.ts'

/**
 * A search starts at a node outside, or at the stream's home. The media of viewers and of peers that publish flows
 * against the direction of the search.
 */
export function isBackwards({ action }: DecisionRequest, outside: GraphNode | null): boolean {
  return (action === 'subscribe') === (outside !== null)
}

/** The hub or edge on which the stream lives; for a browser's new stream the least busy hub; else undecided. */
export function homeOf(question: PlanQuestion, demand: PathDemand): GraphNode | null {
  const { facts, policy, outside } = question
  const known = facts.stream?.homeNodeId
  if (known) return facts.topology.node(policy.tenantId, known) ?? null
  if (outside !== null) return null
  return (
    [...facts.topology.hubs()]
      .filter((hub) => rejectNode(hub, demand) === null)
      .sort(
        (a, b) =>
          a.facts.load.workerCpu - b.facts.load.workerCpu || (a.facts.nodeId < b.facts.nodeId ? -1 : 1),
      )[0] ?? null
  )
}

/** A node's path ends at the stream's home. While the stream has no home, the path ends at any hub. */
export function arrivalAtHome(home: GraphNode | null): (node: GraphNode) => number | null {
  if (home !== null) return (node) => (node === home ? 0 : null)
  return ({ facts }) => (facts.role === 'hub' ? 0 : null)
}

/** A peer's path ends at any hub or edge that can speak to the peer. The rest of the way is the last mile. */
export function arrivalAtPeer(
  { facts, streamClass }: PlanQuestion,
  demand: PathDemand,
): (node: GraphNode) => number | null {
  return (node) => {
    if (!isOverlay(node) || rejectNode(node, demand) !== null || enter(node, demand) === null) return null
    return streamClass.strategy.linkCost(lastMile(facts.peer, node))
  }
}

/** The least value that `arrivalAtPeer` may give: the cheapest last mile. */
export function leastArrivalAtPeer({ facts, streamClass }: PlanQuestion): number {
  return Math.min(...lastMiles(facts.peer).map((mile) => streamClass.strategy.linkCost(mile)))
}
