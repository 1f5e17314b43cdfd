import { linkMisfit } from '../../policy/paths/determinism.ts'
import type { GraphLink, GraphNode } from '../../policy/paths/graph.ts'
import type { Topology } from './graph.ts'
import { LinkWatch } from './link-watch.ts'
import type { QosCause } from './trigger-queue.ts'
import { oneWayMs, type Route, routeOf, type WatchedFlow } from './watched-flow.ts'

/** A flow must exceed its budget for this long before it is looked at, and again this often, ms. */
const OVER_BUDGET_FOR_MS = 2000
const OVER_BUDGET_AGAIN_MS = 10_000

export interface FlowState {
  flow: WatchedFlow
  route: Route
  /** One-way delay on which the contract was calculated, ms. */
  grantedOneWayMs: number
  whole: boolean
  overBudgetSince: number | null
  overBudgetToldAt: number
}

/** Called for each flow that must be looked at, with the cause. */
export type Concern = (state: FlowState, cause: QosCause) => void

/** Flows under contract and the links that carry them. Finds the flows that a change of a link concerns. */
export class FlowWatch {
  readonly #topology: Topology
  readonly #flows = new Map<string, FlowState>()
  readonly #links = new Map<GraphLink, { readonly watch: LinkWatch; flows: FlowState[] }>()
  /** Links whose port's clock was lost under a flow that needs it, until the clock is back. */
  readonly #lostClocks = new Set<GraphLink>()
  #indexed = true

  constructor(topology: Topology) {
    this.#topology = topology
  }

  get size(): number {
    return this.#flows.size
  }

  get(contractId: string): FlowState | undefined {
    return this.#flows.get(contractId)
  }

  all(): Iterable<FlowState> {
    return this.#flows.values()
  }

  put(flow: WatchedFlow, nowMs: number): FlowState {
    const route = routeOf(this.#topology.snapshot, flow)
    const fresh = {
      flow,
      route,
      grantedOneWayMs: oneWayMs(route, nowMs),
      // A flow that was granted over a broken path is not looked at again and again for that.
      whole: isWhole(route, flow),
      overBudgetSince: null,
      overBudgetToldAt: Number.NEGATIVE_INFINITY,
    }
    const state = this.#flows.get(flow.contractId)
    if (state) Object.assign(state, fresh)
    else this.#flows.set(flow.contractId, fresh)
    this.#indexed = false
    return state ?? fresh
  }

  remove(contractId: string): FlowState | undefined {
    const state = this.#flows.get(contractId)
    this.#flows.delete(contractId)
    if (state) this.#indexed = false
    return state
  }

  /** Nodes or links came or went: routes must be found again. */
  structureChanged(): void {
    for (const state of this.#flows.values()) state.route = routeOf(this.#topology.snapshot, state.flow)
    this.#indexed = false
  }

  /** Links that carry flows, with what is known of them. */
  linksInUse(): Iterable<
    readonly [GraphLink, { readonly watch: LinkWatch; readonly flows: readonly FlowState[] }]
  > {
    this.#index()
    return this.#links
  }

  /** Links whose port's clock was lost under a flow that needs it, and is not back. */
  lostClocks(): Iterable<GraphLink> {
    return this.#lostClocks
  }

  carries(node: GraphNode): boolean {
    for (const { route } of this.#flows.values()) if (route.nodes.includes(node)) return true
    return false
  }

  /** Reports every flow that must be looked at again. */
  look(nowMs: number, concern: Concern): void {
    this.#index()
    for (const [link, { watch, flows }] of this.#links) {
      const change = watch.look(link, nowMs)
      if (change !== null) for (const state of flows) concern(state, CAUSE_OF[change])
      if (this.#lostClocks.has(link) || linkMisfit(link) !== 'clock_lost') continue
      const timed = flows.filter(({ flow }) => flow.deterministic)
      if (timed.length > 0) this.#lostClocks.add(link)
      for (const state of timed) concern(state, 'clock_lost')
    }
    for (const link of this.#lostClocks) if (!this.#isLost(link)) this.#lostClocks.delete(link)
    for (const state of this.#flows.values()) {
      const whole = isWhole(state.route, state.flow)
      if (state.whole && !whole) concern(state, 'node_down')
      state.whole = whole
      if (this.#overBudget(state, nowMs)) concern(state, 'budget_exceeded')
    }
  }

  #isLost(link: GraphLink): boolean {
    const { tenantId, from, linkId } = link.facts
    return linkMisfit(link) === 'clock_lost' && this.#topology.link(tenantId, from, linkId) === link
  }

  #overBudget(state: FlowState, nowMs: number): boolean {
    const { flow, route, grantedOneWayMs } = state
    if (flow.budgetMs === null) return false
    const estimateMs = flow.estimateMs + oneWayMs(route, nowMs) - grantedOneWayMs
    if (estimateMs <= flow.budgetMs) {
      state.overBudgetSince = null
      return false
    }
    state.overBudgetSince ??= nowMs
    if (nowMs - state.overBudgetSince < OVER_BUDGET_FOR_MS) return false
    if (nowMs - state.overBudgetToldAt < OVER_BUDGET_AGAIN_MS) return false
    state.overBudgetToldAt = nowMs
    return true
  }

  /** What is known of a link stays as long as a flow uses the link. */
  #index(): void {
    if (this.#indexed) return
    const before = new Map(this.#links)
    this.#links.clear()
    for (const state of this.#flows.values()) {
      for (const link of new Set(state.route.hops.flat())) {
        const entry = this.#links.get(link)
        if (entry) entry.flows.push(state)
        else this.#links.set(link, { watch: before.get(link)?.watch ?? new LinkWatch(), flows: [state] })
      }
    }
    this.#indexed = true
  }
}

const CAUSE_OF = {
  down: 'link_down',
  back: 'link_back',
  congested: 'congestion',
  relieved: 'relieved',
} as const

function isWhole({ nodes }: Route, flow: WatchedFlow): boolean {
  return nodes.length === flow.nodes.length && nodes.every(({ facts }) => facts.up)
}
