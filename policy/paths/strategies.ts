import type { PathStrategy } from '../../common/wire/policy-document.ts'
import type { NodeFacts } from './graph.ts'
import type { LinkView } from './link-view.ts'

/**
 * How paths are compared: the lower cost is better. Costs are never negative, and a path's cost never falls as the path
 * gets longer, so a search may stop at what it has found.
 */
export interface CostStrategy {
  readonly name: PathStrategy
  /** `sum` adds the costs along a path, `max` takes the highest cost. */
  readonly combine: 'sum' | 'max'
  /** A difference of two paths' costs below this means nothing. */
  readonly noise: number
  linkCost(link: LinkView): number
  /** Cost of passing on at this node. */
  nodeCost(node: NodeFacts): number
}

/** RTT that weighs as much as a hop, ms. It is far above the RTT of real links, so that the RTT only breaks ties. */
const TIE_RTT_MS = 100_000

/** Fewest hops; of equally short paths the quicker wins. */
export const hops: CostStrategy = {
  name: 'hops',
  combine: 'sum',
  noise: 0.5,
  linkCost: ({ rttMs }) => 1 + rttMs / TIE_RTT_MS,
  nodeCost: () => 0,
}

/** Time that a node takes to pass a packet on, and the time that a busy worker adds as it fills up, ms. */
const FORWARD_MS = 2
const BUSY_MS = 20
const BUSY_FROM = 0.7

/**
 * Lowest expected delay, in ms: half the RTT, twice the jitter, the queue, and the time that lost packets wait for
 * their retransmission.
 */
export const latency: CostStrategy = {
  name: 'latency',
  combine: 'sum',
  noise: 10,
  linkCost: ({ rttMs, jitterMs, loss, queueMs }) => rttMs / 2 + 2 * jitterMs + queueMs + 1.5 * loss * rttMs,
  nodeCost: ({ load }) => FORWARD_MS + (Math.max(0, load.workerCpu - BUSY_FROM) / (1 - BUSY_FROM)) * BUSY_MS,
}

/** A link with this much to spare costs 1, kb/s. */
const REFERENCE_KBPS = 10_000

/** Highest throughput: the cost of a path is the cost of its narrowest link. Of equally wide paths the shorter wins. */
export const bandwidth: CostStrategy = {
  name: 'bandwidth',
  combine: 'max',
  noise: 0.1,
  linkCost: ({ residualKbps, loss }) => REFERENCE_KBPS / Math.max(1, residualKbps * (1 - loss)),
  nodeCost: () => 0,
}

/** Share of trust that one recent failure of a link costs. */
const BREAK_FACTOR = 0.7
/** Trust in a link that nobody has measured lately. */
const UNMEASURED = 0.9
/** A tiny cost per hop, so that the shorter of two perfect paths wins. */
const HOP = 0.001
/** Jitter that halves trust, ms: a link that does not keep its rhythm is not stable. */
const JITTER_HALF_MS = 200

/**
 * Most stable: the chance that every link and node keeps its word, as a sum of negative logarithms of past reliability.
 */
export const reputation: CostStrategy = {
  name: 'reputation',
  combine: 'sum',
  noise: 0.05,
  linkCost: ({ loss, breaks, weight, jitterMs }) =>
    HOP -
    Math.log(Math.max(1e-6, 1 - loss)) -
    breaks * Math.log(BREAK_FACTOR) -
    (1 - weight) * Math.log(UNMEASURED) +
    Math.log1p(jitterMs / JITTER_HALF_MS),
  nodeCost: (node) => -Math.log(Math.max(1e-6, Math.min(1, node.reputation))),
}
