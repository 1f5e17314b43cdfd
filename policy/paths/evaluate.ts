import type { Arc, GraphLink, GraphNode, TopologySnapshot } from './graph.ts'
import type { FoundPath, SearchQuestion } from './search.ts'

/**
 * What a path in use costs now, or null where the path no longer carries anything: a node is gone, or no link between
 * two of its nodes is left. Where a link died and another link leads to the same node, the path lives on.
 * @param links the link in use between each two nodes
 */
export function evaluatePath(
  snapshot: TopologySnapshot,
  tenantId: string,
  nodes: readonly string[],
  links: readonly string[],
  question: Pick<SearchQuestion, 'costs' | 'combine' | 'avoidLinks'>,
): FoundPath | null {
  const { costs, combine } = question
  const found = nodes.map((nodeId) => snapshot.node(tenantId, nodeId))
  const [passed, taken]: [GraphNode[], GraphLink[]] = [[], []]
  let cost = 0
  for (const [index, node] of found.entries()) {
    if (!node) return null
    const from = passed.at(-1)
    if (from) {
      const step = cheapest(from, node, links[index - 1], question, index === 1)
      if (!step) return null
      taken.push(step.arc.link)
      cost = combine === 'sum' ? cost + step.cost : Math.max(cost, step.cost)
    }
    passed.push(node)
  }
  const last = passed.at(-1)
  if (!last) return null
  const end = costs.arrival(last)
  if (end === Number.POSITIVE_INFINITY) return null
  return { nodes: passed, links: taken, cost: combine === 'sum' ? cost + end : Math.max(cost, end) }
}

/** The link in use where that link still works, else the best link beside it. */
function cheapest(
  from: GraphNode,
  to: GraphNode,
  inUse: string | undefined,
  { costs, avoidLinks }: Pick<SearchQuestion, 'costs' | 'avoidLinks'>,
  first: boolean,
): { arc: Arc; cost: number } | undefined {
  return from.arcs
    .filter(({ to: end, link }) => end === to && !(first && avoidLinks.has(link.facts.linkId)))
    .map((arc) => ({ arc, cost: costs.step(from, arc, 'living', first) }))
    .filter(({ cost }) => cost !== Number.POSITIVE_INFINITY)
    .sort(
      (a, b) =>
        Number(b.arc.link.facts.linkId === inUse) - Number(a.arc.link.facts.linkId === inUse) ||
        a.cost - b.cost,
    )[0]
}
