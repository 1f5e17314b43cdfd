import { wantedStep } from '../viewed-stream.ts'
import type { LinkSeen, LinkStream } from './link-terms.ts'
import { type Bandwidth, type Share, type ShareMemory, shareBandwidth } from './share-bandwidth.ts'

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

interface DeliveryAnswer {
  readonly paused: boolean
  readonly memory: DeliveryMemory
  /** When to look again even without a report; null to wait for the next report. */
  readonly lookAgainAt: number | null
}

/** What is remembered of one stream on a link. */
export interface StreamMemory {
  readonly share: ShareMemory | null
  /** How well the picture gets through, where nothing is estimated. */
  readonly delivery: DeliveryMemory
  readonly paused: boolean
}

/** By the id of each stream. */
export type Memories = ReadonlyMap<string, StreamMemory>

/** A decision that waits for its time is looked at again after this time, ms. */
const LOOK_AGAIN_MS = 200
/** At this score (mediasoup, 0 to 10) the receiver reports a fifth of the packets as lost for good. */
const POOR_SCORE = 4
/** A burst of loss does not stop the picture. Loss that lasts this long does, ms. */
const PAUSE_AFTER_MS = 4_000
/** Wait before the first attempt to play again, ms. Each attempt that fails doubles the wait. */
const RESUME_AFTER_MS = 10_000
const RESUME_AT_MOST_MS = 80_000
/** A picture that was delivered well for this long has come back for good, ms. */
const GOOD_FOR_MS = 30_000

export const FRESH_DELIVERY: DeliveryMemory = { poorSince: null, pausedAt: null, pauses: 0, resumedAt: null }

/** What each stream gets, and what is remembered of that. */
export interface Given {
  readonly shares: ReadonlyMap<string, Share>
  readonly memories: Memories
  /** When to look again though nothing happens, ms from now; null for not at all. */
  readonly lookAfterMs: number | null
}

/** By an estimate. */
export function shareOut(
  before: Memories,
  bandwidth: Bandwidth,
  streams: readonly LinkStream[],
  nowMs: number,
): Given {
  const remembered = Array.from(before).flatMap(([id, { share }]) => (share ? [[id, share] as const] : []))
  const shares = shareBandwidth(bandwidth, streams, new Map(remembered), nowMs)
  const short = Array.from(shares.values()).some(({ reason }) => reason === 'bandwidth')
  const memories = Array.from(shares, ([id, { memory, step }]) => {
    const delivery = before.get(id)?.delivery ?? FRESH_DELIVERY
    return [id, { share: memory, delivery, paused: step === null }] as const
  })
  return { shares, memories: new Map(memories), lookAfterMs: short ? LOOK_AGAIN_MS : null }
}

/** Without an estimate every stream gets what it wants, as long as its receiver gets the picture. */
export function byDelivery(before: Memories, streams: readonly LinkStream[], seen: LinkSeen): Given {
  const shares = new Map<string, Share>()
  const memories = new Map<string, StreamMemory>()
  let lookAt = Number.POSITIVE_INFINITY
  for (const stream of streams) {
    const { step, reason } = wantedStep(stream)
    const poor = seen.connected && step !== null && (stream.score ?? 10) <= POOR_SCORE
    const delivery = judgeDelivery(before.get(stream.id)?.delivery ?? FRESH_DELIVERY, poor, seen.nowMs)
    lookAt = Math.min(lookAt, delivery.lookAgainAt ?? Number.POSITIVE_INFINITY)
    const { paused } = delivery
    shares.set(stream.id, {
      step: paused ? null : step,
      wanted: step,
      affordable: step,
      reason: paused ? 'bandwidth' : reason,
      memory: null,
    })
    memories.set(stream.id, { share: null, delivery: delivery.memory, paused: paused || step === null })
  }
  return { shares, memories, lookAfterMs: Number.isFinite(lookAt) ? lookAt - seen.nowMs : null }
}

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
