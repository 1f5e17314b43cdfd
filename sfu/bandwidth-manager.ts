import type { types } from 'mediasoup'
import { z } from 'zod'
import { type DeliveryMemory, FRESH_DELIVERY, judgeDelivery } from '../policy/judge-delivery.ts'
import { drainingMs, type PileUp } from '../policy/link-queue.ts'
import { probeGoal } from '../policy/probe-goal.ts'
import {
  considerProbe,
  FRESH_PROBES,
  probeRateKbps,
  probesAfterCongestion,
} from '../policy/probe-schedule.ts'
import { type Bandwidth, byImportance, type Share, shareBandwidth } from '../policy/share-bandwidth.ts'
import { considerTrial, NO_TRIALS } from '../policy/step-trial.ts'
import { type ViewedStream, wantedStep } from '../policy/viewed-stream.ts'
import { TransportBounds } from './transport-bounds.ts'
import type { ViewedMedia } from './viewed-media.ts'

/** Consumers of the first, second... stream by importance have these and lower priorities; 255 is mediasoup's most. */
const FIRST_PRIORITY = 200
/** While a decision waits for its time, it is looked at again after so long, ms. */
const LOOK_AGAIN_MS = 200
/** A viewer whose page reports at least so often watches its link itself, ms: see {@link BandwidthManager.reported}. */
const REPORTS_WITHIN_MS = 12_000
/** What flows without trouble is kept to with this margin: bitrates waver. */
const KEEP_MARGIN = 1.1
/** Score of a consumer (mediasoup, 0 to 10) from which on nothing is lost that would matter. */
const GOOD_SCORE = 8
/** Score of a consumer (mediasoup, 0 to 10) whose receiver reports a fifth of the packets as lost for good. */
const POOR_SCORE = 4
/** Opus and its headers, kb/s: of what is available this is not for pictures. */
const AUDIO_KBPS = 75
/** What a viewer's own measure of its link is held for, ms: the worker's estimate needs about as long to settle. */
const PIN_MS = 3_000
/** Of what a congested link was seen to carry this is used. */
const USE_OF_SEEN = 0.95
/** Where less than this share of what is sent gets through, the next keyframe is not waited for. */
const SEVERE = 0.6
/** At this share of the pace and above, a queue only stands. */
const MILD = 0.8
/** Wait between two cuts, ms. */
const CUT_EVERY_MS = 1_000
/** What still stands in the link's queue from before goes on arriving slowly for so long, ms, and says nothing new. */
const DRAINING_MS = 2_500
/** A queue that the viewer sees so long after a probe is the probe's, ms; one that it sees again is not. */
const PROBE_FELT_AFTER_MS = 40
const PROBE_FELT_WITHIN_MS = 1_000
/** With all pictures paused nothing can be estimated: they are tried again after so long, ever longer, ms. */
const TRY_AFTER_MS = 6_000
const TRY_AT_MOST_MS = 48_000
/** What may not fit is played for so long, ms. */
const TRY_FOR_MS = 4_000

/** What mediasoup's `bwe` trace tells, bits per second. */
const bweInfo = z.object({ availableBitrate: z.number(), maxBitrate: z.number() })

/** What a link is taken to carry, whatever the worker estimates. */
interface Taken {
  readonly kbps: number
  readonly until: number
  /** Whether the worker was told. */
  pinned: boolean
}

/**
 * Shares one viewer's bandwidth over its streams: listens to what the worker estimates and the viewer sees, decides by
 * policy, and sets each stream's layer, priority and pause. The worker itself moves below these layers as its estimate
 * falls; what is decided here is how far up, for whom first, when to stop, and when to look whether more would fit.
 */
export class BandwidthManager implements Disposable {
  readonly #transport: types.WebRtcTransport
  readonly #media: () => readonly ViewedMedia[]
  readonly #bounds: TransportBounds
  readonly #failed: (error: unknown) => void
  readonly #deliveries = new WeakMap<ViewedMedia, DeliveryMemory>()
  /** What the worker estimates; null as long as it does not. */
  #estimate: Bandwidth | null = null
  /** What its link is taken to carry for a while: what the viewer itself saw a moment ago, or what is tried. */
  #taken: Taken | null = null
  #cutAt = Number.NEGATIVE_INFINITY
  #congestedAt = Number.NEGATIVE_INFINITY
  /** When the queue in front of the link is empty, if nothing more is sent. */
  #drainedAt = Number.NEGATIVE_INFINITY
  /** The last probe, and whether the viewer was seen to suffer from it. */
  #probed = { at: Number.NEGATIVE_INFINITY, felt: false }
  #reportedAt = Number.NEGATIVE_INFINITY
  #probes = FRESH_PROBES
  #trials = NO_TRIALS
  #tries = { nextAt: Number.POSITIVE_INFINITY, waitMs: TRY_AFTER_MS }
  #goalKbps: number | null = null
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
    this.#bounds = new TransportBounds(transport, failed)
    transport.on('trace', ({ type, info }) => {
      const bitrates = type === 'bwe' ? bweInfo.safeParse(info).data : undefined
      if (!bitrates) return
      const { availableBitrate, maxBitrate } = bitrates
      this.#estimate = { availableKbps: availableBitrate / 1000, limitKbps: maxBitrate / 1000 }
      this.decide()
    })
  }

  /** A stream came or went, or its contract has other bounds. */
  bound(): void {
    this.#bounds.ceilingKbps = this.#media().reduce((sum, { terms }) => sum + terms.abr.max_kbps, 0)
    this.changed()
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

  /**
   * Pictures pile up in front of the viewer's link: its page sees that long before the worker's estimate falls, and
   * before anything is lost.
   */
  congested(seen: PileUp): void {
    const { pace } = seen
    const now = performance.now()
    const sent = this.#sentKbps()
    if (this.#closed || sent === 0 || now - this.#congestedAt < DRAINING_MS) return
    // What a probe holds up for a moment is no queue that grows.
    const probedFor = now - this.#probed.at
    if (!this.#probed.felt && probedFor >= PROBE_FELT_AFTER_MS && probedFor < PROBE_FELT_WITHIN_MS) {
      this.#probed = { ...this.#probed, felt: true }
      return
    }
    // A queue that hardly grows is no reason to give the last layer up.
    if (pace > MILD && this.#media().every(({ memory }) => (memory?.step ?? 0) === 0)) return
    this.#congestedAt = now
    const kbps = Math.max(sent * pace * USE_OF_SEEN, this.#leastKbps())
    this.#taken = { kbps, until: now + PIN_MS, pinned: false }
    this.#probes = probesAfterCongestion(kbps, now)
    this.#drainedAt = now + drainingMs(seen)
    this.decide()
  }

  /** What its link carries of pictures, kb/s, as was found otherwise than by the worker. */
  estimated(picturesKbps: number): void {
    const availableKbps = picturesKbps + this.#audioKbps()
    this.#estimate = { availableKbps, limitKbps: Number.POSITIVE_INFINITY }
    this.decide()
  }

  /** What must be found to fit before the next step up, kb/s of pictures; null while none goes short. */
  get goalKbps(): number | null {
    return this.#goalKbps
  }

  /** The viewer's page told what it sees: it would tell of a queue in front of its link, too. */
  reported(): void {
    this.#reportedAt = performance.now()
  }

  decide(): void {
    if (this.#closed) return
    const media = this.#media()
    this.#trace(media)
    const byId = new Map(media.map((each, index) => [String(index), each]))
    const facts = Array.from(byId, ([id, each]) => each.facts(id)).sort(byImportance)
    const now = performance.now()
    const bandwidth = this.#bandwidth(now)
    const shares = bandwidth
      ? this.#shareOut(bandwidth, facts, byId, now)
      : this.#withoutEstimate(facts, byId, now)
    const available = (bandwidth?.availableKbps ?? Number.POSITIVE_INFINITY) + this.#audioKbps()
    const cut = available < this.#sentKbps() * SEVERE && now - this.#cutAt >= CUT_EVERY_MS
    const lowered = facts.flatMap(({ id }, rank) => {
      const each = byId.get(id)!
      const priority = facts.length > 1 ? FIRST_PRIORITY - rank : 1
      return each.take(shares.get(id)!, priority) ? [each] : []
    })
    // In this order: the worker takes no layer away by itself, and what is cut makes it probe for nothing.
    if (this.#taken) this.#pin(this.#taken)
    if (cut && lowered.length > 0) {
      for (const each of lowered) each.cut(this.#drainedAt - now)
      this.#cutAt = now
    }
    if (this.#estimate) this.#probe(facts, shares, now)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** What there is for pictures now. */
  #bandwidth(now: number): Bandwidth | null {
    if (this.#taken && now >= this.#taken.until) this.#taken = null
    const keepKbps = this.#taken ? 0 : this.#flowsKbps(now)
    if (!this.#taken && this.#estimate) this.#bounds.keep(keepKbps)
    const estimate = this.#taken
      ? { availableKbps: this.#taken.kbps, limitKbps: this.#taken.kbps }
      : this.#estimate && {
          ...this.#estimate,
          availableKbps: Math.max(this.#estimate.availableKbps!, keepKbps),
        }
    if (!estimate) return null
    const audio = this.#audioKbps()
    return {
      availableKbps: Math.max(0, estimate.availableKbps! - audio),
      limitKbps: Math.max(0, estimate.limitKbps - audio),
    }
  }

  /**
   * What is known to get through because the viewer's page watches it and complains of nothing, kb/s. The worker's
   * estimate falls for less than a reason, by a probe of its own for instance, and no layer is given up for that.
   */
  #flowsKbps(now: number): number {
    if (!this.#watchesItself(now)) return 0
    const lossless = this.#media().every(({ video }) => (video?.score?.score ?? 10) >= GOOD_SCORE)
    return lossless ? this.#sentKbps() * KEEP_MARGIN : 0
  }

  /** Its page tells when pictures pile up. */
  #watchesItself(now: number): boolean {
    return now - this.#reportedAt <= REPORTS_WITHIN_MS
  }

  #shareOut(
    bandwidth: Bandwidth,
    facts: readonly ViewedStream[],
    byId: ReadonlyMap<string, ViewedMedia>,
    now: number,
  ): Map<string, Share> {
    const memories = new Map(
      Array.from(byId).flatMap(([id, { memory }]) => (memory ? [[id, memory] as const] : [])),
    )
    const shares = shareBandwidth(bandwidth, facts, memories, now)
    if (Array.from(shares.values()).some(({ reason }) => reason === 'bandwidth'))
      this.#lookAgain(LOOK_AGAIN_MS)
    return shares
  }

  /** Of single layers without an estimate: all of them, as long as their receiver gets them. */
  #withoutEstimate(
    facts: readonly ViewedStream[],
    byId: ReadonlyMap<string, ViewedMedia>,
    now: number,
  ): Map<string, Share> {
    return new Map(
      facts.map((stream) => {
        const { step, reason } = wantedStep(stream)
        const media = byId.get(stream.id)!
        const memory = this.#deliveries.get(media) ?? FRESH_DELIVERY
        const connected = this.#transport.dtlsState === 'connected'
        const poor = connected && step !== null && (media.video?.score?.score ?? 10) <= POOR_SCORE
        const delivery = judgeDelivery(memory, poor, now)
        this.#deliveries.set(media, delivery.memory)
        if (delivery.lookAgainAt !== null) this.#lookAgain(delivery.lookAgainAt - now)
        const share: Share = delivery.paused
          ? { step: null, wanted: step, affordable: step, reason: 'bandwidth', memory: null }
          : { step, wanted: step, affordable: step, reason, memory: null }
        return [stream.id, share]
      }),
    )
  }

  /** Holds the worker's estimate at what the link is taken to carry. */
  #pin(taken: Taken): void {
    if (taken.pinned) return
    taken.pinned = true
    this.#bounds.pin(Math.min(this.#sentKbps(), taken.kbps), taken.kbps)
  }

  /** Where a stream goes short, the worker is made to look whether its next step would fit. */
  #probe(facts: readonly ViewedStream[], shares: ReadonlyMap<string, Share>, now: number): void {
    const goal = probeGoal(facts, shares)
    this.#goalKbps = goal?.probeKbps ?? null
    if (this.#taken) return
    if (goal === null) {
      this.#probes = FRESH_PROBES
      return this.#bounds.open()
    }
    const goalKbps = goal.probeKbps + this.#audioKbps()
    if (this.#sentKbps() === 0) return this.#try(goalKbps, now)
    this.#tries = { nextAt: Number.POSITIVE_INFINITY, waitMs: TRY_AFTER_MS }
    const estimateKbps = this.#estimate?.availableKbps ?? 0
    if (estimateKbps >= goalKbps) return
    if (this.#watchesItself(now)) {
      const neededKbps = goal.neededKbps + this.#audioKbps()
      const { due, trials } = considerTrial(this.#trials, estimateKbps, neededKbps, now)
      this.#trials = trials
      if (due) return this.#play(goalKbps, now)
    }
    const { probe, schedule } = considerProbe(this.#probes, estimateKbps, now)
    this.#probes = schedule
    if (!probe) return
    this.#probed = { at: now, felt: false }
    this.#bounds.probe(probeRateKbps(goalKbps, estimateKbps), estimateKbps)
  }

  /** Plays for a while what is paused: only then the worker can tell whether it fits. */
  #try(goalKbps: number, now: number): void {
    const { nextAt, waitMs } = this.#tries
    if (nextAt === Number.POSITIVE_INFINITY) this.#tries = { nextAt: now + waitMs, waitMs }
    else if (now >= nextAt) {
      this.#tries = { nextAt: Number.POSITIVE_INFINITY, waitMs: Math.min(TRY_AT_MOST_MS, waitMs * 2) }
      this.#play(goalKbps, now)
    }
    this.#lookAgain(LOOK_AGAIN_MS)
  }

  /** Plays what takes so much as if it fitted, for a while. */
  #play(goalKbps: number, now: number): void {
    this.#taken = { kbps: goalKbps, until: now + TRY_FOR_MS, pinned: true }
    this.#bounds.pin(goalKbps, goalKbps)
  }

  /**
   * What the lowest layers take while any picture has a higher one, kb/s: that a higher layer does not get through
   * tells too roughly what the link carries to give up the lowest one as well. It is not given up before it was tried.
   */
  #leastKbps(): number {
    const media = this.#media()
    if (media.every(({ memory }) => (memory?.step ?? 0) === 0)) return 0
    const lowest = media.map((each) => (each.videoKbps > 0 ? (each.stream.meter.steps[0]?.kbps ?? 0) : 0))
    return lowest.reduce((sum, kbps) => sum + kbps, this.#audioKbps()) * KEEP_MARGIN
  }

  #sentKbps(): number {
    const video = this.#media().reduce((sum, media) => sum + media.videoKbps, 0)
    return video === 0 ? 0 : video + this.#audioKbps()
  }

  #audioKbps(): number {
    return this.#media().filter(({ hasSound }) => hasSound).length * AUDIO_KBPS
  }

  /** Where a consumer makes the worker estimate, its estimates are listened to. */
  #trace(media: readonly ViewedMedia[]): void {
    if (this.#tracing) return
    if (!media.some(({ estimated }) => estimated)) return
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
