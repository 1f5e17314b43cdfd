import type { CostStrategy } from './strategy.ts'

/** RTT that weighs as much as a hop, ms: far above what links have, so that it only breaks ties. */
const TIE_RTT_MS = 100_000

/** Fewest hops; between equally short paths the quicker. */
export const hops: CostStrategy = {
  name: 'hops',
  combine: 'sum',
  noise: 0.5,
  linkCost: ({ rttMs }) => 1 + rttMs / TIE_RTT_MS,
  nodeCost: () => 0,
}
