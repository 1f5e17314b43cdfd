import { setTimeout as delay } from 'node:timers/promises'

export interface Backoff {
  /** Wait before the first retry, in ms. */
  readonly initialMs: number
  /** Longest wait, in ms. */
  readonly maxMs: number
  /** Growth per attempt; 2 doubles. */
  readonly factor: number
}

/**
 * How long to wait before retry number `attempt` (0 is the first), in ms: exponential with full jitter in the
 * upper half, so that many clients that lost the same server do not come back in step.
 */
export function backoffMs(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(backoff.maxMs, backoff.initialMs * backoff.factor ** attempt)
  return ceiling / 2 + (ceiling / 2) * random()
}

/** Waits `ms`, or rejects with the signal's reason as soon as it aborts. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : undefined)
}
