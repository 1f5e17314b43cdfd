/** What a receiver's reports (RTCP, RFC 3550) tell about one viewer's pictures since the last look. */
export interface DeliveryReport {
  /** What was sent, kb/s. */
  readonly sentKbps: number
  /** Share that was lost for good, 0 to 1. */
  readonly loss: number
  /** Share that had to be sent again, 0 to 1; it counts as received once it is, and is not in the loss. */
  readonly resent: number
  /** Round trip, ms; null while nobody knows. */
  readonly rttMs: number | null
}

/** What the next estimate is made from. Times in ms of any steady clock. */
export interface ReportedBandwidth {
  readonly availableKbps: number
  /** The shortest round trip lately, which grows slowly: paths change. */
  readonly baseRttMs: number | null
  /** Whether the last report told of a queue. */
  readonly queued: boolean
  /** What reports tell before is about what was sent before less was taken to fit. */
  readonly drainUntil: number
  /** Nothing more is tried before. */
  readonly holdUntil: number
  /** What more was tried and failed, in a row. */
  readonly failures: number
}

/** Above this share of loss less is sent; below the lower one more is tried. */
const LOSS_HIGH = 0.08
const LOSS_LOW = 0.02
/** Above this share that is sent again a link is full; a radio link's single losses are below, and are repaired. */
const RESENT_HIGH = 0.15
/** A queue that grows by so much over the shortest round trip is congestion, ms: in two reports, for one may be late. */
const QUEUE_MS = 150
/** How much the shortest round trip may grow, ms a second. */
const DRIFT_MS_PER_S = 2
/** Each second without loss, so much more is taken to be there. */
const GROWTH = 1.2
/** What was never sent can't be known to fit: at most so many times what is, or what the next layer takes. */
const BEYOND_SENT = 4
const LEAST_KBPS = 100
/** One report of a queue that ran over tells more loss than there will be: so much is taken to get through. */
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
 * What a link carries, by what its receiver reports of loss and of the way there and back, for receivers that no
 * finer estimate can be made for. Down at once; up while all goes well, and more rarely the more often that failed.
 * `goalKbps` is what would let the viewer have its next layer; null while it has what it wants.
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
  // What was tried has held for as long as the last failure kept it from being tried.
  const proven = nowMs > memory.holdUntil + HOLD_MS * 2
  return { ...seen, availableKbps, failures: proven ? 0 : memory.failures }
}
