import type { CostStrategy } from './strategy.ts'

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
