import { isDeepStrictEqual } from 'node:util'
import { errors, type types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import type { Abr } from '../common/wire/flow-contract.ts'
import type { ConsumerInfo } from '../common/wire/viewer-protocol.ts'
import type { Share, ShareMemory } from '../policy/share-bandwidth.ts'
import type { StreamView, ViewedStream } from '../policy/viewed-stream.ts'
import { type Estimation, isEstimated } from './estimation.ts'
import type { LayerClaim } from './layer-claims.ts'
import type { Stream } from './stream.ts'

/** A consumer as the browser is told of it, without the contract that it is under. */
export type NewConsumer = Omit<ConsumerInfo, 'contract_id'>

/** A track that a viewer has no decoder for, by what it said of itself. */
export interface UnplayableTrack {
  readonly kind: types.MediaKind
  readonly mime_type: string
}

/** Facts about one stream of a viewer, for whoever signals to the browser. */
export interface ViewedMediaListener {
  /** What of the stream it can't receive is something else now; empty for nothing. */
  unplayable(tracks: readonly UnplayableTrack[]): void
  consumerClosed(consumerId: string): void
  /** Consumers were closed to be made anew: `consume` again. */
  consumersDue(): void
  /** mediasoup forwards another layer now; null for none. */
  layerChanged(consumerId: string, spatialLayer: number | null): void
  /** The picture pauses or plays, or is held to a lower layer, and why. */
  pictureChanged(picture: PictureState): void
}

export interface PictureState {
  readonly paused: boolean
  readonly reason: Share['reason']
}

export interface ViewingTerms {
  readonly abr: Abr
  /** 1 to 255, the more the earlier it is served. */
  readonly priority: number
  readonly view: StreamView
}

/** A publisher that hears of it sends a keyframe within about so long, ms. */
const KEYFRAME_WITHIN_MS = 80

/** Why a viewer's consumers changed, to whoever shares the bandwidth out again. */
type Changed = () => void

export interface ViewedMediaOptions {
  readonly stream: Stream
  readonly transport: types.WebRtcTransport
  readonly router: types.Router
  readonly estimation: Estimation
  /** Producers of other kinds are left alone. */
  readonly kinds: readonly types.MediaKind[]
  /** What packets of each kind have as mid; mediasoup counts up where none is given. */
  readonly mids: Readonly<Partial<Record<types.MediaKind, string>>>
  readonly terms: ViewingTerms
  readonly listener: ViewedMediaListener
  readonly failed: (error: unknown) => void
  readonly changed: Changed
}

/**
 * One stream on a viewer's transport: a consumer for each of its producers, and what the viewer does with it.
 * Disposing of it closes the consumers.
 */
export class ViewedMedia implements Disposable {
  readonly stream: Stream
  terms: ViewingTerms
  /** What the last decision on bandwidth wants to be told at the next one. */
  memory: ShareMemory | null = null
  readonly #options: ViewedMediaOptions
  readonly #claim: LayerClaim
  readonly #stopMeter: () => void
  readonly #consumers = new Map<string, types.Consumer>()
  /** Which consumers the worker was last told to send; mediasoup's own `paused` is what it has answered. */
  readonly #sending = new Set<string>()
  /** Consumers that the browser does not know yet: what they would send would be lost. */
  readonly #unanswered = new Set<string>()
  #producersSeen: readonly types.Producer[] = []
  #unplayable: readonly UnplayableTrack[] = []
  #share: Share | null = null
  /** While its picture is held back until a queue has drained. */
  #held: NodeJS.Timeout | undefined
  #told = ''
  #estimated = false
  #closed = false

  constructor(options: ViewedMediaOptions) {
    this.#options = options
    this.stream = options.stream
    this.terms = options.terms
    this.#claim = this.stream.claims.add()
    this.#stopMeter = this.stream.meter.watch(options.changed)
  }

  /**
   * Consumes whatever of the stream is not consumed yet and can be received. `unanswered` consumers wait for `resume`,
   * which a browser that is connected already needs.
   * @throws CodedError `codec_not_supported` (415) when the browser's capabilities make no sense
   */
  async consume(unanswered: boolean): Promise<NewConsumer[]> {
    const { stream } = this
    this.#producersSeen = stream.producers()
    const producers = await stream.producersOn(this.#options.router)
    const consumed = new Set(Array.from(this.#consumers.values(), ({ producerId }) => producerId))
    const { kinds } = this.#options
    const wanted = producers.filter(({ id, kind }) => !consumed.has(id) && kinds.includes(kind))
    this.#options.estimation.consider(producers)
    const infos = await Promise.all(wanted.map((producer) => this.#consume(producer, unanswered)))
    this.#tellUnplayable(wanted.filter((_producer, index) => infos[index] === null))
    this.#options.changed()
    return infos.filter((info) => info !== null)
  }

  /** Whether it consumes just what the stream has now; producers that change while a consumer is made are missed. */
  get complete(): boolean {
    return this.#producersSeen === this.stream.producers()
  }

  /** The consumer of the video there is now. */
  get video(): types.Consumer | undefined {
    return [...this.#consumers.values()].findLast(({ kind }) => kind === 'video')
  }

  /** Whether its picture counts in what the worker estimates of the transport. */
  get estimated(): boolean {
    return this.#estimated
  }

  has(consumerId: string): boolean {
    return this.#consumers.has(consumerId)
  }

  /** The browser receives it from now on. */
  resume(consumerId: string): void {
    this.#unanswered.delete(consumerId)
    this.#apply()
  }

  async requestKeyframe(consumerId: string): Promise<void> {
    await this.#consumers.get(consumerId)?.requestKeyFrame()
  }

  /** Its consumers now. */
  get consumers(): readonly types.Consumer[] {
    return [...this.#consumers.values()]
  }

  setPriority(priority: number): void {
    this.terms = { ...this.terms, priority }
    this.#options.changed()
  }

  setView(view: StreamView): void {
    this.terms = { ...this.terms, view }
    this.#claimLayers()
    this.#apply()
    this.#options.changed()
  }

  /** What a decision on bandwidth goes by. */
  facts(id: string): ViewedStream {
    const { abr, priority, view } = this.terms
    const steps = this.video ? this.stream.meter.steps : []
    return { id, steps, floorKbps: abr.min_kbps, ceilingKbps: abr.max_kbps, priority, view }
  }

  /** What its picture takes now, kb/s; 0 while it is paused or nobody knows. */
  get videoKbps(): number {
    const { video } = this
    if (!video || !this.#sending.has(video.id)) return 0
    const { spatialLayer = 0, temporalLayer = 0 } = video.currentLayers ?? {}
    const steps = this.stream.meter.steps
    return (
      steps.find(({ spatial, temporal }) => spatial === spatialLayer && temporal === temporalLayer)?.kbps ??
      steps[this.memory?.step ?? -1]?.kbps ??
      0
    )
  }

  get hasSound(): boolean {
    return Array.from(this.#consumers.values()).some(
      ({ kind, id }) => kind === 'audio' && this.#sending.has(id),
    )
  }

  /**
   * Takes its share; `priority` by the importance among the viewer's streams, for what the worker decides itself.
   * @returns whether that is a lower layer than the one that is sent, which goes on until a keyframe of the lower one
   */
  take(share: Share, priority: number): boolean {
    this.#share = share
    this.memory = share.memory
    this.#claimLayers()
    const { video } = this
    if (!video) {
      this.#apply()
      return false
    }
    const step = share.step === null ? undefined : this.stream.meter.steps[share.step]
    const lower = step !== undefined && step.spatial < (video.currentLayers?.spatialLayer ?? 0)
    if (step && video.type !== 'simple') {
      const { preferredLayers } = video
      const same =
        preferredLayers?.spatialLayer === step.spatial && preferredLayers.temporalLayer === step.temporal
      if (!same)
        this.#send(video.setPreferredLayers({ spatialLayer: step.spatial, temporalLayer: step.temporal }))
    }
    if (video.priority !== priority) this.#send(video.setPriority(priority))
    this.#apply()
    this.#tell({ paused: share.step === null, reason: share.reason })
    return lower && this.#sending.has(video.id)
  }

  /**
   * Leaves out what is still to come of the layer that is sent, until the next keyframe of the one that was taken. Where
   * that comes when it is asked for, it is asked for when a queue that takes `drainingMs` has drained: sent at once, it
   * would stand in the queue, or be lost at its end, and everything after it would be as late.
   */
  cut(drainingMs: number): void {
    const { video } = this
    if (!video || !this.#sending.has(video.id)) return
    // Paused, a consumer forgets what it could retransmit: else a congested link is flooded with that as well.
    this.#send(video.pause())
    clearTimeout(this.#held)
    this.#held = undefined
    const holdMs = this.stream.answersKeyframes ? drainingMs - KEYFRAME_WITHIN_MS : 0
    if (holdMs > 0) this.#held = setTimeout(() => this.#release(), holdMs)
    else this.#send(video.resume())
  }

  /** The consumer may be another one by now. */
  #release(): void {
    this.#held = undefined
    const { video } = this
    if (video && this.#sending.has(video.id)) this.#send(video.resume())
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#held)
    this.#claim[Symbol.dispose]()
    this.#stopMeter()
    for (const consumer of this.#consumers.values()) consumer.close()
    this.#consumers.clear()
  }

  /** Its picture is to count in the transport's estimate from now on: consumers made without that are made anew. */
  joinEstimate(): void {
    const outside = [...this.#consumers.values()].filter(
      (consumer) => consumer.kind === 'video' && !isEstimated(consumer.rtpParameters),
    )
    for (const consumer of outside) {
      consumer.close()
      this.#forget(consumer)
    }
    if (outside.length > 0) this.#options.listener.consumersDue()
  }

  /** null where the browser has no decoder for it. */
  async #consume(producer: types.Producer, unanswered: boolean): Promise<NewConsumer | null> {
    const { transport, estimation, mids, listener } = this.#options
    const mid = mids[producer.kind]
    const capabilities = estimation.capabilities
    const consuming = transport.consume({
      producerId: producer.id,
      rtpCapabilities: ofKind(capabilities, producer.kind),
      ...(mid !== undefined && { mid }),
      paused: unanswered || !this.#plays(producer.kind),
    })
    const consumer = await consuming.catch((error) => {
      if (error instanceof errors.UnsupportedError) return null
      // A TypeError: capabilities that make no sense.
      if (!(error instanceof TypeError)) throw error
      throw new CodedError('codec_not_supported', `this browser can not receive ${codecOf(producer)}`)
    })
    if (consumer === null) return null
    if (producer.kind === 'video' && capabilities !== estimation.capabilities) {
      // A layered stream came in between.
      consumer.close()
      return this.#consume(producer, unanswered)
    }
    if (this.#closed) consumer.close()
    else this.#consumers.set(consumer.id, consumer)
    if (unanswered) this.#unanswered.add(consumer.id)
    if (!consumer.paused) this.#sending.add(consumer.id)
    consumer.once('producerclose', () => this.#forget(consumer))
    consumer.on('layerschange', (layers) => listener.layerChanged(consumer.id, layers?.spatialLayer ?? null))
    // Read once: mediasoup copies them at each reading.
    const { rtpParameters } = consumer
    if (consumer.kind === 'video') {
      this.#estimated = isEstimated(rtpParameters)
      consumer.on('score', this.#options.changed)
    }
    return {
      consumer_id: consumer.id,
      producer_id: producer.id,
      kind: consumer.kind,
      rtp_parameters: { ...rtpParameters },
    }
  }

  #tellUnplayable(producers: readonly types.Producer[]): void {
    const tracks = producers.map((producer) => ({ kind: producer.kind, mime_type: codecOf(producer) }))
    if (this.#closed || isDeepStrictEqual(tracks, this.#unplayable)) return
    this.#unplayable = tracks
    this.#options.listener.unplayable(tracks)
  }

  #forget({ id }: types.Consumer): void {
    this.#consumers.delete(id)
    this.#unanswered.delete(id)
    this.#sending.delete(id)
    this.#options.listener.consumerClosed(id)
  }

  /** Whether anything of this kind is to be sent now. */
  #plays(kind: types.MediaKind): boolean {
    const { view } = this.terms
    if (kind === 'audio') return view.audio
    return view.video && view.visible && (this.#share === null || this.#share.step !== null)
  }

  #apply(): void {
    for (const consumer of this.#consumers.values()) {
      const { id, kind } = consumer
      const plays = this.#plays(kind) && !this.#unanswered.has(id)
      if (plays === this.#sending.has(id)) continue
      if (plays) this.#sending.add(id)
      else this.#sending.delete(id)
      if (!plays) this.#send(consumer.pause())
      else if (kind !== 'video' || this.#held === undefined) this.#send(consumer.resume())
    }
  }

  #claimLayers(): void {
    const { view } = this.terms
    const wanted = this.#share?.wanted ?? null
    const steps = this.stream.meter.steps
    const top = steps.at(-1)?.spatial ?? 0
    const spatial =
      !view.video || !view.visible ? null : wanted === null ? top : (steps[wanted]?.spatial ?? top)
    this.#claim.want({ spatial, audio: view.audio })
  }

  #tell(picture: PictureState): void {
    const told = JSON.stringify(picture)
    if (told === this.#told) return
    // That nothing is held back goes without saying.
    const quiet = this.#told === '' && picture.reason === 'all'
    this.#told = told
    if (!quiet) this.#options.listener.pictureChanged(picture)
  }

  #send(request: Promise<void>): void {
    request.catch((error) => {
      if (!this.#closed && !this.#options.transport.closed) this.#options.failed(error)
    })
  }
}

function codecOf({ kind, rtpParameters }: types.Producer): string {
  return rtpParameters.codecs[0]?.mimeType ?? kind
}

/** What of a receiver's capabilities can matter for media of this kind: mediasoup copies all that it is given. */
function ofKind({ codecs = [], headerExtensions = [] }: types.RtpCapabilities, kind: types.MediaKind) {
  const same = (one: { readonly kind?: types.MediaKind }) => one.kind === kind
  return { codecs: codecs.filter(same), headerExtensions: headerExtensions.filter(same) }
}
