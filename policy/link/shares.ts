import { type DeliveryMemory, FRESH_DELIVERY, judgeDelivery } from '../judge-delivery.ts'
import { type Bandwidth, type Share, type ShareMemory, shareBandwidth } from '../share-bandwidth.ts'
import { wantedStep } from '../viewed-stream.ts'
import type { LinkSeen, LinkStream } from './link-terms.ts'

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
