import { FlowWatch } from './flow-watch.ts'
import type { Topology } from './graph.ts'
import { Movement } from './movement.ts'
import type { SloTracker } from './slo.ts'
import { type QosCause, type Request, TriggerQueue } from './trigger-queue.ts'
import type { WatchedFlow } from './watched-flow.ts'

/** A flow is compared with other paths at most this often, ms, and only after links have changed. */
const REVIEW_EVERY_MS = 5000
/** While another path is better, but not long enough yet, the flow is compared again after this time, ms. */
const REVIEW_AGAIN_MS = 1000
/** Viewers that see a stream too late cause a look this often, ms. */
const SLO_AGAIN_MS = 10_000
/** Switches of a flow are remembered this long, ms. */
const SWITCHES_KEPT_MS = 300_000

/** The result of a look at a flow. */
export interface Reconsidered {
  /** `history.better_since` of the decision. While set, the flow is looked at again soon. */
  readonly betterSince: number | null
}

/** Decides again about a flow and carries out the answer. A changed contract comes back by `watch`. */
export type Reconsider = (
  flow: WatchedFlow,
  cause: QosCause,
  causes: readonly QosCause[],
) => Promise<Reconsidered>

export interface QosEvents {
  /** A flow was looked at again. */
  reconsidered(flow: WatchedFlow, causes: readonly QosCause[]): void
  reconsiderFailed(flow: WatchedFlow, causes: readonly QosCause[], error: unknown): void
  /** A flow runs over other nodes or links now. */
  rerouted(flow: WatchedFlow, cause: QosCause | 'asked'): void
}

export interface QosTriggersOptions {
  readonly topology: Topology
  readonly slo: SloTracker
  readonly events: QosEvents
  /** Unix milliseconds. */
  readonly now: () => number
}

interface Review {
  /** Time of the last comparison with other paths, and the topology's epoch at that time. */
  at: number
  epoch: number
  /** Compare again at this time, whether anything changed or not. */
  againAt: number
  sloToldAt: number
  readonly switches: number[]
}

/**
 * Decides when a flow must be looked at again: a link or node on its path broke, lost its clock, became congested or came back; its
 * latency exceeded the budget; its viewers see it too late; or the links around it changed so that another path may be
 * better. Policy decides what happens to the flow.
 */
export class QosTriggers implements Disposable {
  readonly #options: QosTriggersOptions
  readonly #queue = new TriggerQueue()
  readonly #movement = new Movement()
  readonly #reviews = new Map<string, Review>()
  readonly #unlisten: () => void
  /** Why a flow is being looked at, until its new contract comes. */
  readonly #looking = new Map<string, QosCause>()
  #structureChanged = false
  readonly flows: FlowWatch

  constructor(options: QosTriggersOptions) {
    this.#options = options
    const { topology, now } = options
    this.flows = new FlowWatch(topology)
    this.#unlisten = topology.listen({
      linkObserved: (link) => this.#movement.observed(link, now()),
      structureChanged: () => {
        this.#structureChanged = true
      },
      nodeUp: () => this.#movement.structureChanged(),
      // A clock that is back makes a better path possible.
      portsChanged: () => this.#movement.structureChanged(),
      nodeDown: () => {},
    })
  }

  /** Flows that wait for a look. */
  get waiting(): number {
    return this.#queue.waiting
  }

  /** A contract was granted or changed. */
  watch(flow: WatchedFlow): void {
    const { now, events } = this.#options
    const nowMs = now()
    const before = this.flows.get(flow.contractId)?.flow
    this.flows.put(flow, nowMs)
    const review = this.#reviews.get(flow.contractId)
    if (!before || !review) {
      const epoch = this.#movement.epoch(flow.tenantId)
      const fresh = { at: nowMs, epoch, againAt: Number.POSITIVE_INFINITY, sloToldAt: 0, switches: [] }
      this.#reviews.set(flow.contractId, fresh)
      return
    }
    if (!sameWay(before, flow)) {
      review.switches.push(nowMs)
      events.rerouted(flow, this.#looking.get(flow.contractId) ?? 'asked')
    }
  }

  /** A contract ended. */
  unwatch(contractId: string): void {
    this.flows.remove(contractId)
    this.#reviews.delete(contractId)
    this.#looking.delete(contractId)
    this.#queue.forget(contractId)
  }

  /** Another room has a reason to look at a flow: an oversubscribed access point, a changed policy. */
  request(contractId: string, cause: QosCause): void {
    const flow = this.flows.get(contractId)?.flow
    if (flow) this.#queue.request(requestOf(flow), cause, this.#options.now())
  }

  /** Times of the flow's switches in the last minutes, Unix ms. */
  switchesOf(contractId: string, nowMs: number): readonly number[] {
    const review = this.#reviews.get(contractId)
    if (!review) return []
    const kept = review.switches.findIndex((at) => nowMs - at <= SWITCHES_KEPT_MS)
    review.switches.splice(0, kept === -1 ? review.switches.length : kept)
    return review.switches
  }

  /** Finds the flows that need a look, and looks at them by `reconsider`. Call it every 200 ms or so. */
  tick(reconsider: Reconsider): void {
    const { now, slo } = this.#options
    const nowMs = now()
    if (this.#structureChanged) {
      this.#structureChanged = false
      this.#movement.structureChanged()
      this.flows.structureChanged()
    }
    this.flows.look(nowMs, ({ flow }, cause) => this.#queue.request(requestOf(flow), cause, nowMs))
    for (const { flow } of this.flows.all()) {
      const review = this.#reviews.get(flow.contractId)
      if (!review) continue
      if (nowMs - review.sloToldAt >= SLO_AGAIN_MS && slo.misses(flow.tenantId, flow.streamId, nowMs)) {
        review.sloToldAt = nowMs
        this.#queue.request(requestOf(flow), 'slo_breach', nowMs)
      }
      const changed = review.epoch !== this.#movement.epoch(flow.tenantId)
      if (nowMs >= review.againAt || (changed && nowMs - review.at >= REVIEW_EVERY_MS)) {
        this.#queue.request(requestOf(flow), 'better_path', nowMs)
      }
    }
    for (const { contractId, causes } of this.#queue.take(nowMs)) this.#look(contractId, causes, reconsider)
  }

  [Symbol.dispose](): void {
    this.#unlisten()
  }

  #look(contractId: string, causes: readonly QosCause[], reconsider: Reconsider): void {
    const flow = this.flows.get(contractId)?.flow
    const [cause] = causes
    if (!flow || !cause) {
      this.#queue.forget(contractId)
      return
    }
    const { now, events } = this.#options
    const review = this.#reviews.get(contractId)
    if (review) {
      review.at = now()
      review.epoch = this.#movement.epoch(flow.tenantId)
      review.againAt = Number.POSITIVE_INFINITY
    }
    this.#looking.set(contractId, cause)
    const over = (failed: boolean) => {
      this.#looking.delete(contractId)
      // If the flow ended meanwhile, nothing of it may stay.
      if (this.flows.get(contractId)) this.#queue.done(contractId, failed, now())
    }
    const looked = async () => reconsider(flow, cause, causes)
    looked().then(
      ({ betterSince }) => {
        over(false)
        events.reconsidered(flow, causes)
        if (review && betterSince !== null) review.againAt = now() + REVIEW_AGAIN_MS
      },
      (error) => {
        over(true)
        events.reconsiderFailed(flow, causes, error)
        for (const each of causes) this.request(contractId, each)
      },
    )
  }
}

/** Whether two contracts run over the same nodes and links. Shares of a bond may differ. */
function sameWay(one: WatchedFlow, other: WatchedFlow): boolean {
  const way = ({ nodes, links, bindings }: WatchedFlow) =>
    JSON.stringify([nodes, links, bindings.map(({ link_id }) => link_id).sort()])
  return way(one) === way(other)
}

function requestOf({ contractId, tenantId, streamClass }: WatchedFlow): Request {
  return { contractId, tenantId, streamClass }
}
