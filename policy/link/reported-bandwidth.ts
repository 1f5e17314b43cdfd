/** A receiver's reports (RTCP, RFC 3550) on one viewer's pictures since the last look. */
export interface DeliveryReport {
  /** What was sent, kb/s. */
  readonly sentKbps: number
  /** Share that was lost for good, 0 to 1. */
  readonly loss: number
  /** Share that had to be sent again, 0 to 1. What arrives the second time counts as received, not as lost. */
  readonly resent: number
  /** Round trip, ms; null while nobody knows. */
  readonly rttMs: number | null
}

/** The memory of the estimate. Times in ms of any steady clock. */
export interface ReportedBandwidth {
  readonly availableKbps: number
  /** The shortest round trip lately, ms. It grows slowly, because paths change. */
  readonly baseRttMs: number | null
  /** Whether the last report told of a queue. */
  readonly queued: boolean
  /** Until then, reports are about media that was sent before the estimate fell. */
  readonly drainUntil: number
  /** Until then, the estimate does not grow. */
  readonly holdUntil: number
  /** How often in a row the estimate grew too far. */
  readonly failures: number
}

/** Above this share of loss the estimate falls. Below the lower share it grows. */
const LOSS_HIGH = 0.08
const LOSS_LOW = 0.02
/** A link is full where more than this share is sent again. The single losses of a radio link stay below. */
const RESENT_HIGH = 0.15
/** Congestion is a round trip this much above the shortest, ms, in two reports: one report may be late. */
const QUEUE_MS = 150
/** The shortest round trip may grow by this much, ms a second. */
const DRIFT_MS_PER_S = 2
/** Each second without loss, the estimate grows by this factor. */
const GROWTH = 1.2
/** The estimate grows to this many times what is sent, or to what the next layer takes: more was never seen to fit. */
const BEYOND_SENT = 4
const LEAST_KBPS = 100
/** A queue that ran over makes one report tell too much loss. At least this share is taken to get through. */
const LEAST_THROUGH = 0.5
const DRAIN_MS = 1_500
const HOLD_MS = 6_000
const HOLD_AT_MOST_MS = 48_000

export function freshBandwidth(startKbps: number): ReportedBandwidth {
  return {
    availableKbps: startKbps,
    baseRttMs: null,
    queued: false,
    drainUntil: 0,
    holdUntil: 0,
    failures: 0,
  }
}

/**
 * Estimates what a link carries from its receiver's reports of loss and round trip, for receivers that the worker can't
 * estimate. Down at once; up while all goes well, and more rarely the more often that failed. `goalKbps` is what would
 * let the viewer have its next layer; null while the viewer has what it wants.
 */
export function estimateFromReport(
  memory: ReportedBandwidth,
  { sentKbps, loss, resent, rttMs }: DeliveryReport,
  passedMs: number,
  nowMs: number,
  goalKbps: number | null,
): ReportedBandwidth {
  const seconds = passedMs / 1000
  const drifted = memory.baseRttMs === null ? null : memory.baseRttMs + DRIFT_MS_PER_S * seconds
  const baseRttMs = rttMs === null ? drifted : Math.min(rttMs, drifted ?? rttMs)
  const queued = rttMs !== null && baseRttMs !== null && rttMs > baseRttMs + QUEUE_MS
  const seen = { ...memory, baseRttMs, queued }
  if (nowMs < memory.drainUntil) return seen
  if (loss > LOSS_HIGH || resent > RESENT_HIGH || (queued && memory.queued)) {
    const failures = memory.failures + 1
    const through = sentKbps * Math.max(LEAST_THROUGH, 1 - Math.max(loss, resent)) * 0.9
    return {
      ...seen,
      availableKbps: Math.max(LEAST_KBPS, Math.min(memory.availableKbps * 0.9, through)),
      drainUntil: nowMs + DRAIN_MS,
      holdUntil: nowMs + Math.min(HOLD_AT_MOST_MS, HOLD_MS * 2 ** (failures - 1)),
      failures,
    }
  }
  if (loss > LOSS_LOW || queued || nowMs < memory.holdUntil) return seen
  const most = Math.max(memory.availableKbps, sentKbps * BEYOND_SENT, goalKbps ?? 0)
  const availableKbps = Math.min(most, memory.availableKbps * GROWTH ** seconds)
  // The growth has held for as long as the last failure kept the estimate from growing.
  const proven = nowMs > memory.holdUntil + HOLD_MS * 2
  return { ...seen, availableKbps, failures: proven ? 0 : memory.failures }
}
