import type { CostStrategy } from './strategy.ts'

/** A link with this much to spare costs 1, kb/s. */
const REFERENCE_KBPS = 10_000

/** Highest throughput: a path costs what its narrowest link does; of equally wide ones the shorter wins. */
export const bandwidth: CostStrategy = {
  name: 'bandwidth',
  combine: 'max',
  noise: 0.1,
  linkCost: ({ residualKbps, loss }) => REFERENCE_KBPS / Math.max(1, residualKbps * (1 - loss)),
  nodeCost: () => 0,
}
