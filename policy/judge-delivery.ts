/** How a picture gets through to a viewer whose connection nobody estimates. Times in ms of any steady clock. */
export interface DeliveryMemory {
  /** Since when it gets through badly without a break; null while it does well. */
  readonly poorSince: number | null
  /** Since when it is paused; null while it plays. */
  readonly pausedAt: number | null
  /** How often it was paused in a row. */
  readonly pauses: number
  readonly resumedAt: number | null
}

export interface DeliveryAnswer {
  readonly paused: boolean
  readonly memory: DeliveryMemory
  /** When to look again though nothing is reported; null for not before something is. */
  readonly lookAgainAt: number | null
}

export const FRESH_DELIVERY: DeliveryMemory = { poorSince: null, pausedAt: null, pauses: 0, resumedAt: null }

/** A burst of loss is no reason to stop: only what lasts is, ms. */
const PAUSE_AFTER_MS = 4_000
/** Wait before the first attempt to play again, ms; each one that fails doubles it. */
const RESUME_AFTER_MS = 10_000
const RESUME_AT_MOST_MS = 80_000
/** A picture that got through for so long has come back for good, ms. */
const GOOD_FOR_MS = 30_000

/**
 * Whether to go on with a picture by what its receiver reports, where it gets one layer only and no estimate is
 * made: it pauses when it is lost for seconds on end, and is tried again after ever longer waits.
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
