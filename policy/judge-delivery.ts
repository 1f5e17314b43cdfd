/** How well a picture reaches a viewer whose connection is not estimated. Times in ms of any steady clock. */
export interface DeliveryMemory {
  /** Since when delivery has been bad without a break; null while delivery is good. */
  readonly poorSince: number | null
  /** Since when the picture is paused; null while it plays. */
  readonly pausedAt: number | null
  /** How often in a row the picture was paused. */
  readonly pauses: number
  readonly resumedAt: number | null
}

export interface DeliveryAnswer {
  readonly paused: boolean
  readonly memory: DeliveryMemory
  /** When to look again even without a report; null to wait for the next report. */
  readonly lookAgainAt: number | null
}

export const FRESH_DELIVERY: DeliveryMemory = { poorSince: null, pausedAt: null, pauses: 0, resumedAt: null }

/** A burst of loss does not stop the picture. Loss that lasts this long does, ms. */
const PAUSE_AFTER_MS = 4_000
/** Wait before the first attempt to play again, ms. Each attempt that fails doubles the wait. */
const RESUME_AFTER_MS = 10_000
const RESUME_AT_MOST_MS = 80_000
/** A picture that was delivered well for this long has come back for good, ms. */
const GOOD_FOR_MS = 30_000

/**
 * Whether to go on with a picture, judged by its receiver's reports. This is for viewers of a single layer, whose
 * connection is not estimated. The picture pauses when the receiver loses it for seconds on end, and is tried again
 * after ever longer waits.
 */
export function judgeDelivery(memory: DeliveryMemory, poor: boolean, nowMs: number): DeliveryAnswer {
  if (memory.pausedAt !== null) {
    const until =
      memory.pausedAt + Math.min(RESUME_AT_MOST_MS, RESUME_AFTER_MS * 2 ** Math.max(0, memory.pauses - 1))
    if (nowMs < until) return { paused: true, memory, lookAgainAt: until }
    const resumed = { ...memory, poorSince: null, pausedAt: null, resumedAt: nowMs }
    return { paused: false, memory: resumed, lookAgainAt: nowMs + GOOD_FOR_MS }
  }
  if (!poor) {
    const proven = memory.resumedAt === null || nowMs - memory.resumedAt >= GOOD_FOR_MS
    if (proven) return { paused: false, memory: FRESH_DELIVERY, lookAgainAt: null }
    return {
      paused: false,
      memory: { ...memory, poorSince: null },
      lookAgainAt: memory.resumedAt! + GOOD_FOR_MS,
    }
  }
  const poorSince = memory.poorSince ?? nowMs
  if (nowMs - poorSince < PAUSE_AFTER_MS)
    return { paused: false, memory: { ...memory, poorSince }, lookAgainAt: poorSince + PAUSE_AFTER_MS }
  const paused = { poorSince: null, pausedAt: nowMs, pauses: memory.pauses + 1, resumedAt: null }
  return judgeDelivery(paused, poor, nowMs)
}
