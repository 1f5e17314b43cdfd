import { errors, type types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import type { LayerClaim } from './layer-claims.ts'
import type { Stream } from './stream.ts'

/** What a subscriber wants of a stream now. */
export interface Demand {
  /** Whether pictures are sent. */
  readonly video: boolean
  readonly audio: boolean
  /** The highest layer to send, where pictures have several. Left out, the layer stays; at first it is the highest. */
  readonly layers?: Required<types.ConsumerLayers> | undefined
  /** The highest spatial layer that the publisher is asked to send, from 0; null for no picture. */
  readonly claim: number | null
}

/** What happens to a subscription's consumers. */
export interface SubscriptionOwner {
  /** These producers are about to be consumed. */
  consuming?(producers: readonly types.Producer[]): void
  made?(consumer: types.Consumer): void
  /** The consumer closed with its producer, or was closed to be made anew. */
  gone?(consumer: types.Consumer): void
  /** A request to the worker failed. */
  failed(error: unknown): void
}

export interface SubscriptionOptions {
  readonly stream: Stream
  /** Any transport of mediasoup's: WebRTC, plain, pipe or direct. */
  readonly transport: types.Transport
  /** The router of the transport. The stream is piped there from another worker. */
  readonly router: types.Router
  /** What the receiver can take. When this returns another object, video must be consumed anew. */
  readonly capabilities: () => types.RtpCapabilities
  readonly demand: Demand
  /** Producers of other kinds are left alone; both kinds by default. */
  readonly kinds?: readonly types.MediaKind[] | undefined
  /** The mid in packets of each kind; mediasoup counts up where none is given. */
  readonly mids?: Readonly<Partial<Record<types.MediaKind, string>>> | undefined
  readonly owner: SubscriptionOwner
}

/** The result of one `consume` for the producers that were not consumed yet. */
export interface Consumed {
  readonly consumers: readonly types.Consumer[]
  /** The receiver has no decoder for these. */
  readonly unplayable: readonly types.Producer[]
}

/**
 * One stream on one transport: a consumer for each producer, as the subscriber demands. A subscription does not know who
 * receives. Disposing of it closes the consumers.
 */
export class Subscription implements Disposable {
  readonly stream: Stream
  readonly #options: SubscriptionOptions
  readonly #claim: LayerClaim
  readonly #consumers = new Map<string, types.Consumer>()
  /** Consumers that the worker was last told to send. mediasoup's own `paused` is the worker's answer. */
  readonly #sending = new Set<string>()
  /** Consumers that the receiver does not know yet: their packets would be lost. */
  readonly #unanswered = new Set<string>()
  #demand: Demand
  /** The last `consume`; never rejects. */
  #consuming: Promise<unknown> = Promise.resolve()
  #producersSeen: readonly types.Producer[] = []
  /** Runs while pictures are held back until a queue has drained. */
  #held: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.stream = options.stream
    this.#demand = options.demand
    this.#claim = this.stream.claims.add({ spatial: options.demand.claim, audio: options.demand.audio })
  }

  /**
   * Consumes the producers that are not consumed yet and that the receiver can take. `unanswered` consumers wait for
   * `resume`: a receiver that is already connected must first know them.
   * @throws CodedError `codec_not_supported` (415) when the receiver's capabilities make no sense
   */
  consume(unanswered: boolean): Promise<Consumed> {
    // One after the other: two at once would consume a producer twice.
    const consumed = this.#consuming.then(() => this.#consumeAll(unanswered))
    this.#consuming = consumed.catch(() => {})
    return consumed
  }

  async #consumeAll(unanswered: boolean): Promise<Consumed> {
    const { kinds, owner, router } = this.#options
    this.#producersSeen = this.stream.producers()
    const producers = await this.stream.producersOn(router)
    const consumed = new Set(this.consumers.map(({ producerId }) => producerId))
    const wanted = producers.filter(({ id, kind }) => !consumed.has(id) && (kinds?.includes(kind) ?? true))
    owner.consuming?.(producers)
    const made = await Promise.all(wanted.map((producer) => this.#consume(producer, unanswered)))
    return {
      consumers: made.filter((consumer) => consumer !== null),
      unplayable: wanted.filter((_producer, index) => made[index] === null),
    }
  }

  /** Whether exactly the stream's present producers are consumed: one may have changed while a consumer was made. */
  get complete(): boolean {
    return this.#producersSeen === this.stream.producers()
  }

  /** The consumer of the present video. */
  get video(): types.Consumer | undefined {
    return this.consumers.findLast(({ kind }) => kind === 'video')
  }

  get consumers(): readonly types.Consumer[] {
    return [...this.#consumers.values()]
  }

  has(consumerId: string): boolean {
    return this.#consumers.has(consumerId)
  }

  /** Whether the receiver knows a consumer. Before that, the consumer sends nothing. */
  answered(consumerId: string): boolean {
    return !this.#unanswered.has(consumerId)
  }

  /** Whether anything of this kind is sent. */
  sends(kind: types.MediaKind): boolean {
    return this.consumers.some((consumer) => consumer.kind === kind && this.#sending.has(consumer.id))
  }

  /** The receiver knows this consumer from now on. */
  resume(consumerId: string): void {
    this.#unanswered.delete(consumerId)
    this.#apply()
  }

  async requestKeyframe(consumerId: string): Promise<void> {
    await this.#consumers.get(consumerId)?.requestKeyFrame()
  }

  /** What the subscriber wants from now on. */
  want(demand: Demand): void {
    this.#demand = demand
    this.#claim.want({ spatial: demand.claim, audio: demand.audio })
    const { video } = this
    const { layers } = demand
    if (video && layers && video.type !== 'simple') {
      const { preferredLayers: now } = video
      if (now?.spatialLayer !== layers.spatialLayer || now.temporalLayer !== layers.temporalLayer)
        this.#send(video.setPreferredLayers(layers))
    }
    this.#apply()
  }

  /** 1 to 255. For the worker's own decisions: pictures with a higher priority are served first on their transport. */
  prioritize(priority: number): void {
    const { video } = this
    if (video && video.priority !== priority) this.#send(video.setPriority(priority))
  }

  /**
   * Sends nothing more of the pictures until the next keyframe, for `holdMs` at least. Where that is 0 the keyframe is
   * asked for at once.
   */
  cut(holdMs: number): void {
    const { video } = this
    if (!video || !this.#sending.has(video.id)) return
    // A paused consumer forgets what it could retransmit. Otherwise that would flood a congested link as well.
    this.#send(video.pause())
    clearTimeout(this.#held)
    this.#held = undefined
    if (holdMs > 0) this.#held = setTimeout(() => this.#release(), holdMs)
    else this.#send(video.resume())
  }

  /** Closes video consumers of other capabilities. `consume` makes them anew. Returns whether there were any. */
  drop(isOutdated: (consumer: types.Consumer) => boolean): boolean {
    const outdated = this.consumers.filter((consumer) => consumer.kind === 'video' && isOutdated(consumer))
    for (const consumer of outdated) {
      consumer.close()
      this.#forget(consumer)
    }
    return outdated.length > 0
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#held)
    this.#claim[Symbol.dispose]()
    for (const consumer of this.#consumers.values()) consumer.close()
    this.#consumers.clear()
  }

  /** null where the receiver has no decoder for it. */
  async #consume(producer: types.Producer, unanswered: boolean): Promise<types.Consumer | null> {
    const { transport, capabilities: capabilitiesNow, mids, owner } = this.#options
    const mid = mids?.[producer.kind]
    const { layers } = this.#demand
    const capabilities = capabilitiesNow()
    const consuming = transport.consume({
      producerId: producer.id,
      rtpCapabilities: ofKind(capabilities, producer.kind),
      ...(mid !== undefined && { mid }),
      ...(layers && producer.kind === 'video' && producer.type !== 'simple' && { preferredLayers: layers }),
      paused: unanswered || !this.#demand[producer.kind],
    })
    const consumer = await consuming.catch((error) => {
      if (error instanceof errors.UnsupportedError) return null
      // A TypeError means capabilities that make no sense.
      if (!(error instanceof TypeError)) throw error
      throw new CodedError('codec_not_supported', `this receiver can not take ${codecOf(producer)}`)
    })
    if (consumer === null) return null
    if (producer.kind === 'video' && capabilities !== capabilitiesNow()) {
      consumer.close()
      return this.#consume(producer, unanswered)
    }
    if (this.#closed) consumer.close()
    else this.#consumers.set(consumer.id, consumer)
    if (unanswered) this.#unanswered.add(consumer.id)
    if (!consumer.paused) this.#sending.add(consumer.id)
    consumer.once('producerclose', () => this.#forget(consumer))
    owner.made?.(consumer)
    return consumer
  }

  #forget(consumer: types.Consumer): void {
    const { id } = consumer
    this.#consumers.delete(id)
    this.#unanswered.delete(id)
    this.#sending.delete(id)
    this.#options.owner.gone?.(consumer)
  }

  #apply(): void {
    for (const consumer of this.#consumers.values()) {
      const { id, kind } = consumer
      const plays = this.#demand[kind] && !this.#unanswered.has(id)
      if (plays === this.#sending.has(id)) continue
      if (plays) this.#sending.add(id)
      else this.#sending.delete(id)
      if (!plays) this.#send(consumer.pause())
      else if (kind !== 'video' || this.#held === undefined) this.#send(consumer.resume())
    }
  }

  /** The consumer may have been replaced by now. */
  #release(): void {
    this.#held = undefined
    const { video } = this
    if (video && this.#sending.has(video.id)) this.#send(video.resume())
  }

  #send(request: Promise<void>): void {
    request.catch((error) => {
      if (!this.#closed && !this.#options.transport.closed) this.#options.owner.failed(error)
    })
  }
}

export function codecOf({ kind, rtpParameters }: types.Producer): string {
  return rtpParameters.codecs[0]?.mimeType ?? kind
}

/** The receiver's capabilities for media of this kind: mediasoup copies everything that it is given. */
function ofKind({ codecs = [], headerExtensions = [] }: types.RtpCapabilities, kind: types.MediaKind) {
  const same = (one: { readonly kind?: types.MediaKind }) => one.kind === kind
  return { codecs: codecs.filter(same), headerExtensions: headerExtensions.filter(same) }
}
