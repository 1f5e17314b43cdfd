/** A node that goes down without notice keeps this share of its reputation. */
const AFTER_DOWN = 0.8
const LEAST = 0.1
/** In this time of good service a node wins back half of its lost reputation, ms. */
const HALF_BACK_MS = 30 * 60_000

/** How well a node has kept its word, 0 to 1, and when that was true (Unix ms). */
export interface Reputation {
  readonly value: number
  readonly at: number
}

export function reputationAt({ value, at }: Reputation, nowMs: number): number {
  return 1 - (1 - value) * 0.5 ** (Math.max(0, nowMs - at) / HALF_BACK_MS)
}

export function wentDown(reputation: Reputation, nowMs: number): Reputation {
  return { value: Math.max(LEAST, AFTER_DOWN * reputationAt(reputation, nowMs)), at: nowMs }
}
