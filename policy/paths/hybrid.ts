import { bandwidth, type CostStrategy, latency, reputation } from './strategies.ts'

/** How much each concern counts; 0 leaves it out. */
export interface HybridWeights {
  readonly latency: number
  readonly loss: number
  readonly bandwidth: number
  readonly hops: number
  readonly reputation: number
}

/** Latency, then loss: what a director's pictures need. */
export const DEFAULT_WEIGHTS: HybridWeights = {
  latency: 1,
  loss: 0.5,
  bandwidth: 0.1,
  hops: 0.05,
  reputation: 0.2,
}

/** The amount of each concern that weighs 1: a delay in ms, a loss (0 to 1), one hop. */
const UNIT_DELAY_MS = 100
const UNIT_LOSS = 0.02

/** A weighted sum of all concerns, each in a unit of about the same weight. */
export function hybrid(weights: HybridWeights): CostStrategy {
  return {
    name: 'hybrid',
    combine: 'sum',
    noise: 0.1,
    linkCost: (link) =>
      (weights.latency * latency.linkCost(link)) / UNIT_DELAY_MS +
      (weights.loss * link.loss) / UNIT_LOSS +
      weights.bandwidth * bandwidth.linkCost(link) +
      weights.hops +
      weights.reputation * reputation.linkCost(link),
    nodeCost: (node) =>
      (weights.latency * latency.nodeCost(node)) / UNIT_DELAY_MS +
      weights.reputation * reputation.nodeCost(node),
  }
}
