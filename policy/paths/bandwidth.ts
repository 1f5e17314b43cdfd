import type { CostStrategy } from './strategy.ts'

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
