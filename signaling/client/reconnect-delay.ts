/** Longest wait between attempts while the hub can't be reached or the media doesn't arrive, in ms. */
const MAX_MS = 5_000
/** Wait before the first attempt, in ms: a dropped connection mostly works again at once. */
const INITIAL_MS = 250
/** Waits where trying again soon is of little use, in ms. */
const STEADY_MS = { slow: 10_000, rare: 30_000 } as const

/**
 * How an attempt is followed by the next: `soon` when the way was broken, `slow` when the hub has no such stream yet
 * or no place, `rare` when only a person can change its answer.
 */
export type Pace = 'soon' | keyof typeof STEADY_MS

/**
 * How long to wait before attempt number `attempt` (0 is the first), in ms: exponential for `soon`, with jitter in
 * the upper half so that viewers who lost the same hub do not come back in step.
 */
export function reconnectDelayMs(attempt: number, pace: Pace, random: () => number = Math.random): number {
  const ceiling = pace === 'soon' ? Math.min(MAX_MS, INITIAL_MS * 2 ** attempt) : STEADY_MS[pace]
  return ceiling / 2 + (ceiling / 2) * random()
}
