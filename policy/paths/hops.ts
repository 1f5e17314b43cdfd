import type { CostStrategy } from './strategy.ts'

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
