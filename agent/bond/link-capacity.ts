import type { LinkEvidence } from './link-evidence.ts'

/** What a link is taken to carry. Rates in kb/s on the wire, times in ms. */
export interface LinkCapacity {
  /** What the link may be given. */
  readonly allowedKbps: number
  /** Until when the link's queue drains: meanwhile the link gets nearly nothing. */
  readonly drainsUntilMs: number
  /** Until when nothing is concluded from the link: what was changed has not shown yet. */
  readonly heldUntilMs: number
  /** Until when a cut has not shown yet. */
  readonly relievedUntilMs: number
  /** What the link carried when it last showed that it can't do more, and when that was; null where it never did. */
  readonly ceiling: { readonly kbps: number; readonly atMs: number } | null
  /** The queue at the last cut; null where the last cut had another reason. */
  readonly cutQueueMs: number | null
  /** The part of the round trip that stayed when the link had nothing to carry: the path has become longer. */
  readonly longerMs: number
  /** Whether packets were missing by the hub's last word. */
  readonly missed: boolean
}

/** What `measure` needs to know beside the link. */
export interface MeasureTerms {
  /** Length of a datagram on the wire. */
  readonly kbit: number
  /** More is of no use. */
  readonly mostKbps: number
  /** How long the receiver waits for a packet. */
  readonly bufferMs: number
  readonly stepMs: number
}

/** A link that lives carries this much, kb/s. */
export const LEAST_KBPS = 100
/** Growth: so much, and this share, every 500 ms. */
const GROWTH = { kbps: 60, share: 0.05 }
/** Only a link that is loaded to this share of what it may have shows that it could have more. */
const LOADED = 0.8
/**
 * What a link carried before is soon reached again: up to this share of its ceiling it grows faster. From there on it
 * grows slower, until the ceiling is so old, ms.
 */
const CEILING = { from: 0.85, faster: 3, slower: 0.35, forMs: 12_000 }
/** Missing beyond the usual loss that says "too much": in two of the hub's words, or so much at once. */
const TOO_MUCH = { share: 0.1, packets: 8 }
const FAR_TOO_MUCH = { share: 0.45, packets: 12 }
/** A queue of this share of the receiver's patience says "too much", within these bounds, ms. */
const QUEUE = { share: 0.1, least: 40, most: 50 }
/** A queue that a cut has left at this share of its length is none. */
const SAME_QUEUE = 0.7
/** What is left of the measured rate after a cut. */
const AFTER_LOSS = 0.93
const AFTER_QUEUE = 0.92
/** What is left of the allowed rate where nobody knows what gets through, or where the load was none. */
const AFTER_GUESS = 0.75
/** The longest time that a queue is left to drain, ms: a longer queue drops packets instead. */
const LONGEST_DRAIN_MS = 1200
/** A shorter queue drains beside less load, ms. */
const WORTH_DRAINING_MS = 150
/** A change shows after this time and a round trip, ms. */
const HOLD_MS = 400
/** Nothing is concluded in the first part of a flow, ms. */
const BEGIN_MS = 1500
/** Load that has grown by this factor shows at the hub only after a while. */
const LEAP = 1.5

/** @param nowMs a flow begins with a keyframe and all that waits for it, which says nothing of its links */
export const newCapacity = (allowedKbps: number, nowMs: number): LinkCapacity => ({
  allowedKbps: Math.max(LEAST_KBPS, allowedKbps),
  drainsUntilMs: 0,
  heldUntilMs: nowMs + BEGIN_MS,
  relievedUntilMs: 0,
  ceiling: null,
  cutQueueMs: null,
  longerMs: 0,
  missed: false,
})

/** A link that comes back begins with what is left of its last capacity. */
export const returned = (capacity: LinkCapacity, nowMs: number): LinkCapacity => ({
  ...capacity,
  allowedKbps: Math.max(LEAST_KBPS, capacity.allowedKbps * 0.6),
  ceiling: { kbps: capacity.allowedKbps, atMs: nowMs },
  drainsUntilMs: 0,
})

/** A link whose trial has failed can do less than was thought. */
export const failedTrial = (capacity: LinkCapacity): LinkCapacity => ({
  ...capacity,
  allowedKbps: Math.max(LEAST_KBPS, capacity.allowedKbps * 0.6),
})

/** A link whose part has changed. What a larger part does to the link shows only after its way there and back. */
export function given(
  capacity: LinkCapacity,
  before: number,
  after: number,
  rttMs: number | null,
  nowMs: number,
): LinkCapacity {
  if (after < before * LEAP) return capacity
  return { ...capacity, heldUntilMs: Math.max(capacity.heldUntilMs, nowMs + HOLD_MS + (rttMs ?? 0)) }
}

/**
 * What a carrying link may have from now on: less at once where it shows a queue or loses more than usual, more and more
 * while it is loaded and shows nothing.
 */
export function measure(
  before: LinkCapacity,
  evidence: LinkEvidence,
  terms: MeasureTerms,
  nowMs: number,
): LinkCapacity {
  const { missing, missingPackets, usualLoss, isNews } = evidence
  const more = missing - usualLoss
  const misses = isNews && more > TOO_MUCH.share && missingPackets >= TOO_MUCH.packets
  const capacity = {
    ...before,
    longerMs: Math.min(before.longerMs, evidence.queueMs),
    ...(isNews && { missed: misses }),
  }
  if (nowMs < capacity.heldUntilMs) return capacity
  const loses =
    misses && (before.missed || (more > FAR_TOO_MUCH.share && missingPackets >= FAR_TOO_MUCH.packets))
  const queueMs = evidence.queueMs - capacity.longerMs
  const queues = queueMs > Math.min(QUEUE.most, Math.max(QUEUE.least, terms.bufferMs * QUEUE.share))
  if (!loses && !queues) return grow(capacity, evidence, terms, nowMs)
  // The queue of the last cut is still there although nothing feeds it.
  const { cutQueueMs } = capacity
  if (!loses && cutQueueMs !== null && queueMs > cutQueueMs * SAME_QUEUE)
    return { ...capacity, longerMs: evidence.queueMs, cutQueueMs: null }
  return cut(capacity, evidence, terms, loses ? null : queueMs, nowMs)
}

function cut(
  capacity: LinkCapacity,
  { arrivedRate, sentRate, missing, queueMs, rttMs }: LinkEvidence,
  { kbit }: MeasureTerms,
  cutQueueMs: number | null,
  nowMs: number,
): LinkCapacity {
  const { allowedKbps } = capacity
  // A link that has hardly any load shows nothing of what it carries.
  const shows = arrivedRate !== null && sentRate * kbit > allowedKbps / 2
  const carriedKbps = shows ? Math.min(allowedKbps, arrivedRate * kbit) : allowedKbps * AFTER_GUESS
  const left = carriedKbps * (cutQueueMs === null ? AFTER_LOSS : AFTER_QUEUE)
  const flooded = cutQueueMs === null && missing > FAR_TOO_MUCH.share
  const queuedMs = queueMs - capacity.longerMs
  const drainMs = flooded
    ? LONGEST_DRAIN_MS
    : queuedMs > WORTH_DRAINING_MS
      ? Math.min(queuedMs, LONGEST_DRAIN_MS)
      : 0
  return {
    ...capacity,
    allowedKbps: Math.max(LEAST_KBPS, left),
    drainsUntilMs: nowMs + drainMs,
    heldUntilMs: nowMs + drainMs + HOLD_MS + (rttMs ?? 0),
    relievedUntilMs: nowMs + drainMs + HOLD_MS,
    ceiling: shows ? { kbps: carriedKbps, atMs: nowMs } : capacity.ceiling,
    cutQueueMs,
    missed: false,
  }
}

function grow(
  capacity: LinkCapacity,
  { sentRate }: LinkEvidence,
  { kbit, mostKbps, stepMs }: MeasureTerms,
  nowMs: number,
): LinkCapacity {
  const { allowedKbps, ceiling } = capacity
  if (sentRate * kbit < allowedKbps * LOADED || allowedKbps >= mostKbps)
    return { ...capacity, cutQueueMs: null }
  const pace =
    ceiling === null || nowMs - ceiling.atMs > CEILING.forMs
      ? 1
      : allowedKbps < ceiling.kbps * CEILING.from
        ? CEILING.faster
        : CEILING.slower
  const grown = allowedKbps + ((GROWTH.kbps + GROWTH.share * allowedKbps) * pace * stepMs) / 500
  return { ...capacity, allowedKbps: Math.min(mostKbps, grown), cutQueueMs: null }
}
