import type { CostStrategy } from './strategy.ts'

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
