import type { LinkStanding } from '../health.ts'
import {
  enter,
  isOverlay,
  type PathDemand,
  passesOn,
  type Rejection,
  rejectLink,
  rejectNode,
} from './constraints.ts'
import type { Arc, GraphLink, GraphNode, TopologySnapshot } from './graph.ts'
import { newLinkView, readLink } from './link-view.ts'
import { nextStamp, type Scratch, scratchOf } from './scratch.ts'
import type { CostStrategy } from './strategies.ts'

export interface CostQuestion {
  readonly snapshot: TopologySnapshot
  readonly strategy: CostStrategy
  readonly demand: PathDemand
  /** Multiplies the cost of coming to a node: a factor above 1 avoids the node, below 1 prefers it. */
  readonly factor: (node: GraphNode) => number
  /** Cost of ending at a node (the last mile), or null where the path may not end. */
  readonly arrival: (node: GraphNode) => number | null
  readonly nowMs: number
}

/** Multiplies the cost of a link that has no proof of delivery. */
const DISTRUST: Readonly<Record<LinkStanding, number>> = {
  serving: 1,
  unproven: 1.5,
  probing: 2,
  silent: 4,
  dead: Number.POSITIVE_INFINITY,
}

/**
 * How much trust a path needs. `proven`: only links that deliver now. `living`: also links that still have to show that
 * they deliver. `any`: also links that fell silent. Dead links are never taken.
 */
export type Trust = 'proven' | 'living' | 'any'

const TRUST_LEVEL: Readonly<Record<Trust, number>> = { proven: 1, living: 2, any: 3 }
const NEEDS_LEVEL: Readonly<Record<LinkStanding, number>> = {
  serving: 1,
  unproven: 2,
  probing: 2,
  silent: 3,
  dead: 4,
}

/** Bits of what is known of a node: its cost is known, the cost of ending there is known, media may enter there. */
const COST = 1
const ARRIVAL = 2
const ENTRY = 4
/** Media may. */
const ENTERS = 8

/** What steps cost. Each link and node is looked at once per plan. Infinity means that the step is impossible. */
export class Costs {
  /** How many links and nodes were impossible, by reason. Those of other tenants are not counted. */
  readonly rejections = new Map<Rejection, number>()
  /** A node that would have done, but is full. */
  full: GraphNode | null = null
  /** A link was passed over only for want of trust. */
  passedOver = false
  readonly #question: CostQuestion
  readonly #scratch: Scratch
  readonly #stamp = nextStamp()
  readonly #view = newLinkView()

  constructor(question: CostQuestion) {
    this.#question = question
    this.#scratch = scratchOf(question.snapshot)
  }

  /**
   * Cost of going from a node over one of its arcs.
   * @param first the link is the source's own
   */
  step(from: GraphNode, arc: Arc, trust: Trust, first: boolean): number {
    const { toIndex, linkIndex } = arc
    const { linkStamps, linkNeeds, linkCosts, nodeCosts, nodeFactors } = this.#scratch
    const bits = this.#bits(toIndex)
    if ((bits & COST) === 0) this.#node(arc.to)
    const node = nodeCosts[toIndex]!
    if (node === Number.POSITIVE_INFINITY) return node
    if (linkStamps[linkIndex] !== this.#stamp) this.#link(arc.link, first)
    if (linkNeeds[linkIndex]! > TRUST_LEVEL[trust]) {
      this.passedOver = true
      return Number.POSITIVE_INFINITY
    }
    const cost = linkCosts[linkIndex]!
    if (cost === Number.POSITIVE_INFINITY) return cost
    if (isOverlay(arc.to) && !isOverlay(from) && !this.#enters(arc.to)) return Number.POSITIVE_INFINITY
    return (cost + node) * nodeFactors[toIndex]!
  }

  /** Cost of ending here. */
  arrival(node: GraphNode): number {
    const { index } = node
    const { nodeBits, nodeArrivals } = this.#scratch
    const bits = this.#bits(index)
    if ((bits & ARRIVAL) === 0) {
      nodeBits[index] = bits | ARRIVAL
      nodeArrivals[index] = this.#question.arrival(node) ?? Number.POSITIVE_INFINITY
    }
    return nodeArrivals[index]!
  }

  /** What is known of a node so far. */
  #bits(index: number): number {
    const { nodeStamps, nodeBits } = this.#scratch
    if (nodeStamps[index] === this.#stamp) return nodeBits[index]!
    nodeStamps[index] = this.#stamp
    nodeBits[index] = 0
    return 0
  }

  #link(link: GraphLink, first: boolean): void {
    const { demand, strategy, nowMs } = this.#question
    const view = readLink(link, nowMs, this.#view)
    const { linkStamps, linkNeeds, linkCosts } = this.#scratch
    const rejection = rejectLink(link, view, first ? demand.firstLinkKbps : demand.floorKbps, demand)
    linkStamps[link.index] = this.#stamp
    linkNeeds[link.index] = rejection === null ? NEEDS_LEVEL[view.standing] : 1
    linkCosts[link.index] =
      rejection === null ? strategy.linkCost(view) * DISTRUST[view.standing] : Number.POSITIVE_INFINITY
    if (rejection !== null) this.#count(rejection)
  }

  #node(node: GraphNode): void {
    const { index } = node
    const { demand, strategy, factor } = this.#question
    const rejection =
      passesOn(node) || this.arrival(node) !== Number.POSITIVE_INFINITY ? rejectNode(node, demand) : 'role'
    if (rejection !== null && rejection !== 'role') this.#count(rejection)
    if (rejection === 'saturated') this.full ??= node
    const { nodeBits, nodeCosts, nodeFactors } = this.#scratch
    nodeCosts[index] = rejection === null ? strategy.nodeCost(node.facts) : Number.POSITIVE_INFINITY
    nodeFactors[index] = factor(node)
    nodeBits[index] = this.#bits(index) | COST
  }

  #enters(node: GraphNode): boolean {
    const { nodeBits } = this.#scratch
    const { index } = node
    if ((this.#bits(index) & ENTRY) === 0) {
      const enters = enter(node, this.#question.demand) !== null
      if (!enters) this.#count('transport')
      nodeBits[index] = this.#bits(index) | ENTRY | (enters ? ENTERS : 0)
    }
    return (nodeBits[index]! & ENTERS) !== 0
  }

  /** Links and nodes of other tenants must not show, not even as a number. */
  #count(rejection: Rejection): void {
    if (rejection !== 'tenancy') this.rejections.set(rejection, (this.rejections.get(rejection) ?? 0) + 1)
  }
}
