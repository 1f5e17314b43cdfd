import { isDeepStrictEqual } from 'node:util'
import type { types } from 'mediasoup'
import type { Abr } from '../common/wire/flow-contract.ts'
import type { ConsumerInfo, HubNews, HubNotifications } from '../common/wire/viewer-protocol.ts'
import type { GivenShare, LinkStream } from '../policy/link/link-terms.ts'
import type { StreamView } from '../policy/viewed-stream.ts'
import { type Estimation, isEstimated } from './estimation.ts'
import { TOP_LAYER } from './layer-claims.ts'
import type { Stream } from './stream.ts'
import { codecOf, type Demand, Subscription, type SubscriptionOptions } from './subscription.ts'

/** The program at a viewer's end. None of these may throw. */
export interface ViewingClient {
  /** Tells it a fact, now or never. */
  tell(...news: HubNews): void
  /** Asks it to receive a consumer. Rejects when it does not answer. */
  offer(consumer: ConsumerInfo): Promise<void>
}

type Unplayable = HubNotifications['unplayable']['tracks']
/** The picture pauses or plays, or is held to a lower layer, with the reason. */
type Picture = Pick<HubNotifications['picture'], 'paused' | 'reason'>

export interface ViewingTerms {
  readonly contractId: string
  readonly abr: Abr
  /** 1 to 255. The higher priority is served first. */
  readonly priority: number
  readonly view: StreamView
}

/** A publisher that gets the request sends a keyframe within about this time, ms. */
const KEYFRAME_WITHIN_MS = 80

export interface ViewedMediaOptions
  extends Pick<SubscriptionOptions, 'stream' | 'transport' | 'router' | 'kinds' | 'mids'> {
  readonly estimation: Estimation
  readonly terms: ViewingTerms
  readonly client: ViewingClient
  readonly failed: (kind: 'consume' | 'media', error: unknown) => void
  /** Something changed that the sharing of bandwidth depends on. */
  readonly changed: () => void
}

/**
 * One stream on a viewer's transport: a subscription whose demand follows from what the page shows and what the link
 * carries. Disposing of it closes the consumers.
 */
export class ViewedMedia implements Disposable {
  readonly stream: Stream
  terms: ViewingTerms
  readonly #options: ViewedMediaOptions
  readonly #subscription: Subscription
  readonly #stack = new DisposableStack()
  #share: GivenShare | null = null
  #picture: Picture | null = null
  #unplayable: Unplayable = []
  #following = false

  constructor(options: ViewedMediaOptions) {
    const { stream, terms, client, estimation } = options
    this.#options = options
    this.stream = stream
    this.terms = terms
    this.#subscription = this.#stack.use(
      new Subscription({
        ...options,
        capabilities: () => estimation.capabilities,
        demand: this.#demand(),
        owner: {
          consuming: (producers) => estimation.consider(producers),
          made: (consumer) => this.#made(consumer),
          gone: ({ id }) =>
            client.tell('consumer-closed', { contract_id: this.terms.contractId, consumer_id: id }),
          failed: (error) => options.failed('media', error),
        },
      }),
    )
    this.#stack.defer(stream.meter.watch(options.changed))
  }

  /**
   * Consumes the producers that are not consumed yet and that the browser can receive. `unanswered` consumers wait for
   * `resume`: a browser that is already connected must first know them.
   * @throws CodedError `codec_not_supported` (415) when the browser's capabilities make no sense
   */
  async consume(unanswered: boolean): Promise<ConsumerInfo[]> {
    const { consumers, unplayable } = await this.#subscription.consume(unanswered)
    this.#tellUnplayable(unplayable)
    this.#options.changed()
    return consumers.map((consumer) => this.#describe(consumer))
  }

  /** The consumers that the browser has. */
  received(): ConsumerInfo[] {
    const known = this.consumers.filter(({ id }) => this.#subscription.answered(id))
    return known.map((consumer) => this.#describe(consumer))
  }

  /** Tells the client again what it may have missed. */
  tellAll(): void {
    const { client } = this.#options
    const about = { contract_id: this.terms.contractId }
    client.tell('unplayable', { ...about, tracks: this.#unplayable })
    if (this.#picture) client.tell('picture', { ...about, ...this.#picture })
    for (const { id, currentLayers } of this.consumers)
      client.tell('consumer-layer', {
        ...about,
        consumer_id: id,
        spatial_layer: currentLayers?.spatialLayer ?? null,
      })
  }

  /** Offers the consumers again that the browser does not have, and those that it lacks. */
  offerAgain(): void {
    this.#contain(async () => {
      const unknown = this.consumers.filter(({ id }) => !this.#subscription.answered(id))
      for (const consumer of unknown) await this.#offer(this.#describe(consumer))
      await this.#offerNew()
    })
  }

  /** From now on offers every producer that is not consumed yet, also those that came since the first `consume`. */
  follow(): void {
    if (this.#stack.disposed || this.#following) return
    this.#following = true
    this.#stack.defer(this.stream.observe({ producersChanged: () => this.#catchUp() }))
    if (!this.complete) this.#catchUp()
  }

  /** Whether exactly the stream's present producers are consumed. */
  get complete(): boolean {
    return this.#subscription.complete
  }

  /** The consumer of the present video. */
  get video(): types.Consumer | undefined {
    return this.#subscription.video
  }

  get consumers(): readonly types.Consumer[] {
    return this.#subscription.consumers
  }

  /** What the client was told of its picture; null before the first decision. */
  get picture(): Picture | null {
    return this.#picture
  }

  has(consumerId: string): boolean {
    return this.#subscription.has(consumerId)
  }

  /** The browser receives the consumer from now on. */
  resume(consumerId: string): void {
    this.#subscription.resume(consumerId)
  }

  requestKeyframe(consumerId: string): Promise<void> {
    return this.#subscription.requestKeyframe(consumerId)
  }

  setPriority(priority: number): void {
    this.terms = { ...this.terms, priority }
    this.#options.changed()
  }

  setView(view: StreamView): void {
    this.terms = { ...this.terms, view }
    this.#subscription.want(this.#demand())
    this.#options.changed()
  }

  /** The facts for a decision on bandwidth. */
  facts(id: string): LinkStream {
    const { abr, priority, view } = this.terms
    const { video } = this
    const { spatialLayer = 0, temporalLayer = 0 } = video?.currentLayers ?? {}
    return {
      id,
      steps: video ? this.stream.meter.steps : [],
      floorKbps: abr.min_kbps,
      ceilingKbps: abr.max_kbps,
      priority,
      view,
      ready: video !== undefined && this.#subscription.answered(video.id),
      layer: { spatial: spatialLayer, temporal: temporalLayer },
      sound: this.#subscription.sends('audio'),
      score: video?.score?.score ?? null,
    }
  }

  /** Takes a share. The worker uses `priority`, the rank among the viewer's streams, for its own decisions. */
  take(share: GivenShare, priority: number): void {
    this.#share = share
    this.#subscription.want(this.#demand())
    if (!this.video) return
    this.#subscription.prioritize(priority)
    this.#tellPicture({ paused: share.step === null, reason: share.reason })
  }

  /**
   * Leaves out the rest of the present layer, until the next keyframe of the taken layer. Where a keyframe comes on
   * request, it is requested when a queue of `drainingMs` has drained: sent at once, it would wait in the queue, or be
   * lost at its end, and everything after it would be as late.
   */
  cut(drainingMs: number): void {
    this.#subscription.cut(this.stream.answersKeyframes ? drainingMs - KEYFRAME_WITHIN_MS : 0)
  }

  /** From now on the picture must count in the transport's estimate: consumers made before are replaced. */
  joinEstimate(): void {
    if (this.#subscription.drop(({ rtpParameters }) => !isEstimated(rtpParameters))) this.#catchUp()
  }

  [Symbol.dispose](): void {
    this.#stack.dispose()
  }

  /** The demand: what the page shows, as far as the link carries it. */
  #demand(): Demand {
    const { view } = this.terms
    const share = this.#share
    const steps = this.stream.meter.steps
    const shown = view.video && view.visible
    const step = steps[share?.step ?? -1]
    const wanted = steps[share?.wanted ?? -1] ?? steps.at(-1)
    return {
      audio: view.audio,
      video: shown && (share === null || share.step !== null),
      layers: step && { spatialLayer: step.spatial, temporalLayer: step.temporal },
      claim: shown ? (wanted?.spatial ?? (share === null ? TOP_LAYER : 0)) : null,
    }
  }

  #made(consumer: types.Consumer): void {
    const { client, changed } = this.#options
    consumer.on('layerschange', (layers) =>
      client.tell('consumer-layer', {
        contract_id: this.terms.contractId,
        consumer_id: consumer.id,
        spatial_layer: layers?.spatialLayer ?? null,
      }),
    )
    if (consumer.kind === 'video') consumer.on('score', changed)
  }

  #catchUp(): void {
    if (this.#following) this.#contain(() => this.#offerNew())
  }

  #contain(offering: () => Promise<void>): void {
    offering().catch((error) => {
      // It is no failure when a viewer leaves or joins again while a consumer is offered.
      if (!this.#stack.disposed) this.#options.failed('consume', error)
    })
  }

  async #offerNew(): Promise<void> {
    for (const consumer of await this.consume(true)) await this.#offer(consumer)
  }

  async #offer(consumer: ConsumerInfo): Promise<void> {
    await this.#options.client.offer(consumer)
    this.resume(consumer.consumer_id)
  }

  #describe({ id, producerId, kind, rtpParameters }: types.Consumer): ConsumerInfo {
    return {
      contract_id: this.terms.contractId,
      consumer_id: id,
      producer_id: producerId,
      kind,
      rtp_parameters: { ...rtpParameters },
    }
  }

  #tellUnplayable(producers: readonly types.Producer[]): void {
    const tracks = producers.map((producer) => ({ kind: producer.kind, mime_type: codecOf(producer) }))
    if (this.#stack.disposed || isDeepStrictEqual(tracks, this.#unplayable)) return
    this.#unplayable = tracks
    this.#options.client.tell('unplayable', { contract_id: this.terms.contractId, tracks })
  }

  #tellPicture(picture: Picture): void {
    if (isDeepStrictEqual(picture, this.#picture)) return
    // As a rule nothing is held back, and the client need not hear that.
    const quiet = this.#picture === null && picture.reason === 'all'
    this.#picture = picture
    if (!quiet) this.#options.client.tell('picture', { contract_id: this.terms.contractId, ...picture })
  }
}
