import { heldRttMs } from '../evidence.ts'
import { freshness } from '../health.ts'
import type { GraphLink } from './graph.ts'

/** RTT that the latency budget reckons with where no link has reported yet, ms. */
export const DEFAULT_RTT_MS = 30

export interface LinkDelay {
  readonly rttMs: number
  readonly measured: boolean
}

/**
 * What a link adds to the latency budget. Whether it is trusted does not matter here: a ping knows how long the way
 * is. Its jitter is the recovery buffer's to even out.
 */
export function delayOf({ metrics, evidence }: GraphLink, nowMs: number): LinkDelay {
  if (metrics === null || freshness(metrics.at, nowMs) === 0)
    return { rttMs: DEFAULT_RTT_MS, measured: false }
  return { rttMs: heldRttMs(evidence, metrics.rttMs, nowMs), measured: true }
}
