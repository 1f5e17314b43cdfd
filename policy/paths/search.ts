import { passesOn } from './constraints.ts'
import type { Costs, Trust } from './costs.ts'
import type { Arc, GraphLink, GraphNode, TopologySnapshot } from './graph.ts'
import { nextStamp, scratchOf } from './scratch.ts'
import type { CostStrategy } from './strategies.ts'

export interface SearchQuestion {
  readonly costs: Costs
  readonly trust: Trust
  readonly combine: CostStrategy['combine']
  readonly snapshot: TopologySnapshot
  /** Links of the source to leave out. */
  readonly avoidLinks: ReadonlySet<string>
  readonly source: GraphNode
  readonly maxHops: number
  /** How many paths over different nodes to return. */
  readonly keep: number
  /** The only node where paths end, or null where `arrival` alone decides. */
  readonly destination: GraphNode | null
  /** The least value that `arrival` may return. */
  readonly leastArrival: number
}

export interface FoundPath {
  readonly nodes: readonly GraphNode[]
  /** One link fewer than nodes. */
  readonly links: readonly GraphLink[]
  readonly cost: number
}

/** An alternative this many times as dear as the best path is not worth finding. */
const WORTH_KNOWING = 1.5

interface Label {
  readonly node: GraphNode
  readonly cost: number
  readonly arc: Arc | null
  readonly before: Label | null
}

/**
 * Finds the cheapest paths of at most `maxHops` links. Labels spread hop by hop (Bellman and Ford, with a frontier), so
 * the work is at most hops x links, whatever the costs are. Costs and constraints are computed once per link and node.
 * Last links are known beforehand, so that good paths are found early and dear paths are not followed.
 * @returns best first; of equal cost the path with fewer hops, then by ids
 */
export function findPaths(question: SearchQuestion): FoundPath[] {
  const { costs, trust, combine, source, maxHops, destination, avoidLinks } = question
  const found = new Ranking(question.keep)
  const { best, bestStamps } = scratchOf(question.snapshot)
  const stamp = nextStamp()
  const bestAt = (index: number) => (bestStamps[index] === stamp ? best[index]! : Number.POSITIVE_INFINITY)
  const setBest = (index: number, cost: number) => {
    bestStamps[index] = stamp
    best[index] = cost
  }
  const along = (cost: number, more: number) => (combine === 'sum' ? cost + more : Math.max(cost, more))
  const lastSteps = destination && stepsTo(destination, question)
  const remaining = lastSteps
    ? Math.min(Number.POSITIVE_INFINITY, ...Array.from(lastSteps.values(), ({ cost }) => cost))
    : question.leastArrival

  /** Adds the path that ends after a label, if there is such a path. */
  const end = (label: Label) => {
    const last = lastSteps?.get(label.node.index)
    if (last) {
      const cost = along(label.cost, last.cost)
      found.offer({ node: last.arc.to, cost, arc: last.arc, before: label }, cost)
    } else if (label.node === destination || lastSteps === null) {
      const arrival = costs.arrival(label.node)
      if (arrival !== Number.POSITIVE_INFINITY) found.offer(label, along(label.cost, arrival))
    }
  }

  const start: Label = { node: source, cost: 0, arc: null, before: null }
  setBest(source.index, 0)
  end(start)
  if (remaining === Number.POSITIVE_INFINITY) return found.paths()
  let frontier = [start]
  const hops = lastSteps ? maxHops - 1 : maxHops
  for (let hop = 0; hop < hops && frontier.length > 0; hop += 1) {
    const next = new Map<number, Label>()
    for (const label of frontier) {
      if (!found.wants(along(label.cost, remaining), hop + 1)) break
      for (const arc of label.node.arcs) {
        if (arc.to === destination || (hop === 0 && avoidLinks.has(arc.link.facts.linkId))) continue
        const step = costs.step(label.node, arc, trust, hop === 0)
        if (step === Number.POSITIVE_INFINITY) continue
        const cost = along(label.cost, step)
        const index = arc.toIndex
        const bestSoFar = bestAt(index)
        if (cost > bestSoFar || !found.wants(along(cost, remaining), hop + 1)) continue
        const rival = next.get(index)
        if (cost === bestSoFar && !rival) continue
        const reached: Label = { node: arc.to, cost, arc, before: label }
        if (cost === bestSoFar && comesBefore(rival!, reached)) continue
        setBest(index, cost)
        end(reached)
        if (passesOn(arc.to)) next.set(index, reached)
      }
    }
    // The cheapest label first: a good path found early saves looking at most of the rest.
    frontier = [...next.values()].sort((a, b) => a.cost - b.cost)
  }
  return found.paths()
}

interface LastStep {
  /** Leads to the destination. */
  readonly arc: Arc
  readonly cost: number
}

/** The cheapest step to a node from each of its neighbours, by the neighbour's index. */
function stepsTo(
  destination: GraphNode,
  { source, costs, trust, avoidLinks }: SearchQuestion,
): Map<number, LastStep> {
  const steps = new Map<number, LastStep>()
  for (const { link, linkIndex, to: from, toIndex } of destination.arcs) {
    if (from === source ? avoidLinks.has(link.facts.linkId) : !passesOn(from)) continue
    const arc = { link, linkIndex, to: destination, toIndex: destination.index }
    const cost = costs.step(from, arc, trust, from === source)
    const known = steps.get(toIndex)
    const better =
      !known || cost < known.cost || (cost === known.cost && link.facts.linkId < known.arc.link.facts.linkId)
    if (cost !== Number.POSITIVE_INFINITY && better) steps.set(toIndex, { arc, cost })
  }
  return steps
}

/** The best few paths so far, no two over the same nodes. */
class Ranking {
  readonly #keep: number
  #bound = Number.POSITIVE_INFINITY
  #boundHops = Number.POSITIVE_INFINITY
  readonly #ranked: { readonly end: Label; readonly cost: number }[] = []

  constructor(keep: number) {
    this.#keep = keep
  }

  offer(end: Label, cost: number): void {
    const same = this.#ranked.findIndex((each) => sameNodes(each.end, end))
    const before = this.#ranked[same]
    if (before) {
      if (before.cost < cost || (before.cost === cost && comesBefore(before.end, end))) return
      this.#ranked.splice(same, 1)
    }
    const at = this.#ranked.findIndex(
      (each) => cost < each.cost || (cost === each.cost && comesBefore(end, each.end)),
    )
    this.#ranked.splice(at === -1 ? this.#ranked.length : at, 0, { end, cost })
    if (this.#ranked.length > this.#keep) this.#ranked.pop()
    const last = this.#ranked.length === this.#keep ? this.#ranked.at(-1) : undefined
    this.#bound = Math.min(last?.cost ?? Number.POSITIVE_INFINITY, this.#ranked[0]!.cost * WORTH_KNOWING)
    this.#boundHops = last ? hopsOf(last.end) : 0
  }

  /** Whether a path of this cost and length, or a continuation of that path, can still be among the best. */
  wants(cost: number, hops: number): boolean {
    return cost < this.#bound || (cost === this.#bound && hops <= this.#boundHops)
  }

  paths(): FoundPath[] {
    return this.#ranked.map(({ end, cost }) => {
      const [nodes, links]: [GraphNode[], GraphLink[]] = [[], []]
      for (let label: Label | null = end; label; label = label.before) {
        nodes.unshift(label.node)
        if (label.arc) links.unshift(label.arc.link)
      }
      return { nodes, links, cost }
    })
  }
}

function sameNodes(left: Label | null, right: Label | null): boolean {
  while (left && right && left.node === right.node) [left, right] = [left.before, right.before]
  return left === right
}

function hopsOf(label: Label): number {
  let hops = 0
  for (let each = label.before; each; each = each.before) hops += 1
  return hops
}

/** An order of paths of equal cost that does not depend on the order in which the graph was filled. */
function comesBefore(left: Label, right: Label): boolean {
  const fewer = hopsOf(left) - hopsOf(right)
  if (fewer !== 0) return fewer < 0
  for (let [a, b]: [Label | null, Label | null] = [left, right]; a && b; [a, b] = [a.before, b.before]) {
    if (a === b) return true
    const [x, y] = [
      `${a.node.facts.nodeId}/${a.arc?.link.facts.linkId}`,
      `${b.node.facts.nodeId}/${b.arc?.link.facts.linkId}`,
    ]
    if (x !== y) return x < y
  }
  return true
}
