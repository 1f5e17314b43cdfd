import type { types } from 'mediasoup'
import { z } from 'zod'
import { type DeliveryMemory, FRESH_DELIVERY, judgeDelivery } from '../policy/judge-delivery.ts'
import { byImportance, type Share, shareBandwidth } from '../policy/share-bandwidth.ts'
import { wantedStep } from '../policy/viewed-stream.ts'
import type { ViewedMedia } from './viewed-media.ts'

/** Consumers of the first, second... stream by importance have these and lower priorities; 255 is mediasoup's most. */
const FIRST_PRIORITY = 200
/** While a decision waits for its time, it is looked at again after so long, ms. */
const LOOK_AGAIN_MS = 500
/** Score of a consumer (mediasoup, 0 to 10) whose receiver reports a fifth of the packets as lost for good. */
const POOR_SCORE = 4

/** What mediasoup's `bwe` trace tells, bits per second. */
const bweInfo = z.object({ availableBitrate: z.number(), maxBitrate: z.number() })

/**
 * Shares one viewer's bandwidth over its streams: listens to what the worker estimates, decides by policy, and sets
 * each stream's layer, priority and pause. The worker itself moves below these layers within milliseconds; what is
 * decided here is how far up, for whom first, and when to stop.
 */
export class BandwidthManager implements Disposable {
  readonly #transport: types.WebRtcTransport
  readonly #media: () => readonly ViewedMedia[]
  readonly #failed: (error: unknown) => void
  /** What the worker estimates, kb/s; null as long as it does not. */
  #estimate: { readonly availableKbps: number; readonly limitKbps: number } | null = null
  readonly #deliveries = new WeakMap<ViewedMedia, DeliveryMemory>()
  #tracing = false
  #planned = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(
    transport: types.WebRtcTransport,
    media: () => readonly ViewedMedia[],
    failed: (error: unknown) => void,
  ) {
    this.#transport = transport
    this.#media = media
    this.#failed = failed
    transport.on('trace', ({ type, info }) => {
      const bitrates = type === 'bwe' ? bweInfo.safeParse(info).data : undefined
      if (!bitrates) return
      const { availableBitrate, maxBitrate } = bitrates
      this.#estimate = { availableKbps: availableBitrate / 1000, limitKbps: maxBitrate / 1000 }
      this.decide()
    })
  }

  /** Decides anew, soon: several facts that change at once make one decision. */
  readonly changed = (): void => {
    if (this.#planned || this.#closed) return
    this.#planned = true
    setImmediate(() => {
      this.#planned = false
      this.decide()
    })
  }

  decide(): void {
    if (this.#closed) return
    const media = this.#media()
    this.#trace(media)
    const byId = new Map(media.map((each, index) => [String(index), each]))
    const facts = Array.from(byId, ([id, each]) => each.facts(id)).sort(byImportance)
    const now = performance.now()
    const shares = this.#estimate ? this.#shareOut(facts, byId, now) : this.#withoutEstimate(facts, byId, now)
    for (const [rank, { id }] of facts.entries()) {
      const priority = facts.length > 1 ? FIRST_PRIORITY - rank : 1
      byId.get(id)!.take(shares.get(id)!, priority)
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #shareOut(
    facts: Parameters<typeof shareBandwidth>[1],
    byId: ReadonlyMap<string, ViewedMedia>,
    now: number,
  ): Map<string, Share> {
    const memories = new Map(
      Array.from(byId, ([id, { memory }]) => [id, memory] as const).flatMap(([id, memory]) =>
        memory ? [[id, memory] as const] : [],
      ),
    )
    const shares = shareBandwidth(this.#estimate!, facts, memories, now)
    const waiting = Array.from(shares.values()).some(
      ({ memory }) => memory?.affordableSince != null || memory?.brokeSince != null,
    )
    if (waiting) this.#lookAgain(LOOK_AGAIN_MS)
    return shares
  }

  /** Of single layers without an estimate: all of them, as long as their receiver gets them. */
  #withoutEstimate(
    facts: Parameters<typeof shareBandwidth>[1],
    byId: ReadonlyMap<string, ViewedMedia>,
    now: number,
  ): Map<string, Share> {
    return new Map(
      facts.map((stream) => {
        const { step, reason } = wantedStep(stream)
        const media = byId.get(stream.id)!
        const memory = this.#deliveries.get(media) ?? FRESH_DELIVERY
        const poor = (media.video?.score?.score ?? 10) <= POOR_SCORE && this.#connected
        const delivery = judgeDelivery(memory, poor && step !== null, now)
        this.#deliveries.set(media, delivery.memory)
        if (delivery.lookAgainAt !== null) this.#lookAgain(delivery.lookAgainAt - now)
        const share: Share = delivery.paused
          ? { step: null, wanted: step, reason: 'bandwidth', memory: null }
          : { step, wanted: step, reason, memory: null }
        return [stream.id, share]
      }),
    )
  }

  get #connected(): boolean {
    return this.#transport.dtlsState === 'connected'
  }

  /** Where a consumer makes the worker estimate, its estimates are listened to. */
  #trace(media: readonly ViewedMedia[]): void {
    if (this.#tracing) return
    const estimates = media.some(({ video }) =>
      video?.rtpParameters.codecs.some(({ rtcpFeedback }) =>
        rtcpFeedback?.some(({ type }) => type === 'transport-cc' || type === 'goog-remb'),
      ),
    )
    if (!estimates) return
    this.#tracing = true
    this.#transport.enableTraceEvent(['bwe']).catch((error) => {
      if (!this.#closed && !this.#transport.closed) this.#failed(error)
    })
  }

  #lookAgain(afterMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.decide(), Math.max(50, afterMs)).unref()
  }
}
