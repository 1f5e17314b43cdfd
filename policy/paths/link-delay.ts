import { heldRttMs } from '../evidence.ts'
import { freshness } from '../health.ts'
import type { GraphLink } from './graph.ts'

/** RTT that the latency budget assumes of a link without a report, ms. */
export const DEFAULT_RTT_MS = 30

export interface LinkDelay {
  readonly rttMs: number
  readonly measured: boolean
}

/**
 * What a link adds to the latency budget. Trust does not matter here, because even a ping measures the length of the
 * way. The recovery buffer evens out the link's jitter.
 */
export function delayOf({ metrics, evidence }: GraphLink, nowMs: number): LinkDelay {
  if (metrics === null || freshness(metrics.at, nowMs) === 0)
    return { rttMs: DEFAULT_RTT_MS, measured: false }
  return { rttMs: heldRttMs(evidence, metrics.rttMs, nowMs), measured: true }
}
