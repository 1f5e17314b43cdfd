/** Wait before the first attempt and longest wait, ms. */
const WAITS = {
  /** The connection broke: a dropped connection mostly works again at once. */
  soon: { initialMs: 250, maxMs: 5_000 },
  /** The hub has no such stream, or no place: that may change any moment, or never. */
  slow: { initialMs: 1_000, maxMs: 10_000 },
  /** Only a person can change the hub's answer. */
  rare: { initialMs: 30_000, maxMs: 30_000 },
} as const

/** How soon the next attempt follows. */
export type Pace = keyof typeof WAITS

/**
 * The wait before attempt number `attempt` (0 is the first), ms: exponential, with jitter in the upper half, so that
 * viewers who lost the same hub do not come back in step.
 */
export function reconnectDelayMs(attempt: number, pace: Pace, random: () => number = Math.random): number {
  const { initialMs, maxMs } = WAITS[pace]
  const ceiling = Math.min(maxMs, initialMs * 2 ** attempt)
  return ceiling / 2 + (ceiling / 2) * random()
}
