import type { EncryptionChoice } from '../../common/wire/decision.ts'
import { enter, isOverlay, type PathDemand, rejectNode } from './constraints.ts'
import { Costs, type Trust } from './costs.ts'
import { demandOf } from './demand.ts'
import { nodeMisfit } from './determinism.ts'
import { arrivalAtHome, arrivalAtPeer, homeOf, leastArrivalAtPeer } from './ends.ts'
import type { GraphNode } from './graph.ts'
import type { PlanQuestion } from './plan-question.ts'
import { type FoundPath, findPaths } from './search.ts'
import { type TakenPath, takePath } from './take.ts'

/**
 * A path is listed from the end outside inwards. For a peer that is no node, the path is listed from the stream's home
 * to the hub or edge that speaks to the peer.
 */
export interface Plan extends TakenPath {
  readonly found: true
  /** The next best path over other nodes. */
  readonly runnerUp: FoundPath | null
  /** The hub or edge where media enters or leaves the overlay, and its place in the path. */
  readonly entry: GraphNode
  readonly entryAt: number
  /** The first link is a link of the outside node, and other links may carry media beside it. */
  readonly bonded: boolean
  readonly encryption: EncryptionChoice
  readonly demand: PathDemand
  /** Answers questions about single links, proven or not. */
  readonly costs: Costs
}

export interface NoPlan {
  readonly found: false
  /** A node that would have done, but is full. */
  readonly full: GraphNode | null
  readonly demand: PathDemand
  readonly rejections: Costs['rejections']
}

/** Factors on the cost of coming to a node. */
const PREFERRED = 0.8
const AVOIDED = 4

/** The path to take for one class over one transport: hard constraints, then cost, then hysteresis. */
export function planPath(question: PlanQuestion): Plan | NoPlan {
  const { facts, policy, streamClass, outside } = question
  const demand = demandOf(question)
  const home = homeOf(question, demand)
  const source = outside ?? home
  const hindrance = hindered(question, demand, source, home)
  if (source === null || hindrance)
    return hindrance ?? { found: false, full: fullHub(question, demand), demand, rejections: new Map() }

  const { strategy } = streamClass
  const costs = new Costs({
    snapshot: facts.topology,
    strategy,
    demand,
    factor: ({ facts: { nodeId } }) =>
      policy.avoidNodes.has(nodeId) ? AVOIDED : policy.preferNodes.has(nodeId) ? PREFERRED : 1,
    arrival: outside === null ? arrivalAtPeer(question, demand) : arrivalAtHome(home),
    nowMs: question.nowMs,
  })
  const search = (trust: Trust) =>
    findPaths({
      costs,
      trust,
      combine: strategy.combine,
      snapshot: facts.topology,
      source,
      destination: outside === null ? null : home,
      leastArrival: outside === null ? leastArrivalAtPeer(question) : 0,
      avoidLinks: new Set(question.request.avoid_links),
      maxHops: policy.maxHops,
      keep: 2,
    })
  let found = search('proven')
  if (found.length === 0 && costs.passedOver) found = search('any')
  const taken = takePath(question, costs, found[0] ?? assumedDirect(question, demand, source, home))
  const { rejections, full } = costs
  if (!taken) return { found: false, full: full ?? fullHub(question, demand), demand, rejections }

  const { nodes } = taken.path
  const entryAt = outside === null ? nodes.length - 1 : nodes.findIndex(isOverlay)
  const entry = nodes[entryAt]
  const encryption = entry && enter(entry, demand)
  if (!entry || !encryption) return { found: false, full, demand, rejections }
  const bonded = outside !== null && entryAt > 0 && taken.path.links.length > 0
  const runnerUp = found.find(({ nodes: others }) => !sameNodes(others, nodes)) ?? null
  return { found: true, ...taken, runnerUp, entry, entryAt, bonded, encryption, demand, costs }
}

/** What rules out every path before the search begins. */
function hindered(
  { deterministic }: PlanQuestion,
  demand: PathDemand,
  source: GraphNode | null,
  home: GraphNode | null,
): NoPlan | null {
  const rejection = home && rejectNode(home, demand)
  if (rejection) {
    return {
      found: false,
      full: rejection === 'saturated' ? home : null,
      demand,
      rejections: new Map([[rejection, 1]]),
    }
  }
  const misfit = deterministic && source ? nodeMisfit(source) : null
  return misfit && { found: false, full: null, demand, rejections: new Map([[misfit, 1]]) }
}

/** A hub that would have done, but is full, for an end that could go to any hub. */
function fullHub({ facts }: PlanQuestion, demand: PathDemand): GraphNode | null {
  const full = [...facts.topology.hubs()].filter((hub) => rejectNode(hub, demand) === 'saturated')
  return full.sort((a, b) => (a.facts.nodeId < b.facts.nodeId ? -1 : 1))[0] ?? null
}

/** A node without a known link dials its hub directly. The first telemetry will tell how well that works. */
function assumedDirect(
  { facts, deterministic }: PlanQuestion,
  demand: PathDemand,
  source: GraphNode,
  home: GraphNode | null,
): FoundPath | undefined {
  if (deterministic || isOverlay(source) || source.arcs.length > 0) return undefined
  const [hub] = [...(home ? [home] : facts.topology.hubs())]
    .filter((each) => rejectNode(each, demand) === null && enter(each, demand) !== null)
    .sort((a, b) => (a.facts.nodeId < b.facts.nodeId ? -1 : 1))
  return hub && { nodes: [source, hub], links: [], cost: 0 }
}

function sameNodes(left: readonly GraphNode[], right: readonly GraphNode[]): boolean {
  return left.length === right.length && left.every((node, index) => node === right[index])
}
