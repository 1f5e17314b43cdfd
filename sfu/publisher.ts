import type { types } from 'mediasoup'
import { CodedError, messageOf } from '../common/errors.ts'
import type { Abr } from '../common/wire/flow-contract.ts'
import type { LayerDemand } from '../common/wire/publisher-protocol.ts'
import type { PictureSize } from '../policy/viewed-stream.ts'
import { ArrivalWatch, type SenderReport } from './arrival-watch.ts'
import type { PublishedLane } from './relay/published-lane.ts'
import { refuseUnforwardable, spatialLayersOf } from './router-codecs.ts'
import type { Stream } from './stream.ts'
import type { SourceHost, SourceMedia, StreamSource } from './stream-source.ts'
import { type SignOfLife, WebRtcEnd } from './web-rtc-end.ts'
import type { WorkerSlot } from './worker-pool.ts'

/** A browser asks for consent at least every 6 s (RFC 7675). Without consent for this long its path is lost, s. */
export const BROWSER_CONSENT: SignOfLife = { by: 'consent', withinS: 10 }

/** How often viewers are told an encoding's clock, ms. */
const CLOCK_EVERY_MS = 5000

/** What a publisher's media does by itself: facts for the room that signals to the publisher. */
export interface PublisherListener {
  /** The path to the publisher is lost. The transport waits for another path. */
  pathLost?(): void
  /** The worker died, no path came back, or DTLS failed: nothing comes any more. */
  transportLost(reason: string): void
}

/**
 * One publisher's media on its stream's worker: a WebRTC transport with at most one producer of each kind, which feed the
 * stream's lane. An open publisher is its stream's source. The lane and the viewers' consumers outlive the publisher.
 */
export class Publisher implements StreamSource {
  readonly #stream: Stream
  readonly #slot: WorkerSlot
  readonly end: WebRtcEnd
  readonly #host: SourceHost
  /** Always true: RTCP of WebRTC carries keyframe requests (PLI). */
  readonly answersKeyframes = true
  /** Size of the largest layer, as the publisher reports it. */
  picture: PictureSize | null = null
  /** The room that signals to the publisher now. */
  listener: PublisherListener
  readonly #watches = new Map<types.Producer, ArrivalWatch>()
  readonly #lane: PublishedLane
  #producers: readonly types.Producer[] = []
  /** When each encoding's clock was told last, by SSRC. */
  readonly #clockTold = new Map<number, number>()
  #demand: LayerDemand
  /** How far the publisher's clock is ahead of ours, ms; null where nobody compared them. */
  #clockAheadMs: number | null = null
  #closed = false

  private constructor(
    stream: Stream,
    slot: WorkerSlot,
    end: WebRtcEnd,
    host: SourceHost,
    listener: PublisherListener,
  ) {
    this.#stream = stream
    this.#lane = stream.publishedLane
    this.#slot = slot
    this.end = end
    this.#host = host
    this.listener = listener
    this.#demand = stream.demand
    end.onPathLost(() => this.listener.pathLost?.())
    end.onLost((reason) => {
      this.#close()
      this.listener.transportLost(reason)
    })
  }

  /**
   * Makes the transport, bounded by the contract's ceiling, and becomes the stream's source. The former source is
   * closed.
   * @param signOfLife without this the path to the publisher is lost
   * @throws CodedError `no_worker` (503) while no worker is up, `stream_ended` (410), and what mediasoup throws when the worker dies
   */
  static async open(
    stream: Stream,
    abr: Abr,
    listener: PublisherListener,
    signOfLife = BROWSER_CONSENT,
  ): Promise<Publisher> {
    const slot = stream.home()
    if (!slot) throw new CodedError('no_worker', 'no media worker is up; try again in a second')
    stream.publishedLane.prepare(slot)
    const { router } = slot
    const end = await WebRtcEnd.open({ slot, router, signOfLife })
    try {
      await end.transport.setMaxIncomingBitrate(abr.max_kbps * 1000)
      return stream.attach((host) => new Publisher(stream, slot, end, host, listener))
    } catch (error) {
      end[Symbol.dispose]()
      throw error
    }
  }

  get media(): SourceMedia | null {
    return this.#closed ? null : this.#lane.media
  }

  get arriving(): readonly types.Producer[] {
    return this.#producers
  }

  /** Each layer has half the size of the next. Empty where the publisher has not told the largest size. */
  get pictures(): readonly PictureSize[] {
    const { picture } = this
    const video = this.#producers.find(({ kind }) => kind === 'video')
    if (!picture || !video) return []
    const { encodings = [] } = video.rtpParameters
    const layers = encodings.length > 1 ? encodings.length : spatialLayersOf(encodings[0]?.scalabilityMode)
    return Array.from({ length: layers }, (_, layer) => {
      const halvings = 2 ** (layers - 1 - layer)
      return { width: Math.round(picture.width / halvings), height: Math.round(picture.height / halvings) }
    })
  }

  get alive(): boolean {
    return !this.#closed
  }

  /**
   * Whether media should come and none does. Media that is muted or that nobody watches need not come.
   * @param sendsAlways its client also sends what nobody watches
   */
  isSilent(sendsAlways: boolean): boolean {
    const expected = this.#expected(sendsAlways)
    return expected.length > 0 && !expected.some((each) => this.#watches.get(each)?.arriving)
  }

  /** RTP packets so far of the media that should come; null where none should. */
  async packetsExpected(sendsAlways: boolean): Promise<number | null> {
    const expected = this.#expected(sendsAlways)
    if (expected.length === 0) return null
    const statistics = await Promise.all(
      // A producer that closes meanwhile counts for nothing.
      expected.map((producer) => producer.getStats().catch((): types.ProducerStat[] => [])),
    )
    return statistics.flat().reduce((sum, { packetCount }) => sum + packetCount, 0)
  }

  #expected(sendsAlways: boolean): types.Producer[] {
    return this.#producers.filter(({ paused, kind }) => !paused && (sendsAlways || this.#isWanted(kind)))
  }

  get producerIds(): string[] {
    return this.#producers.map(({ id }) => id)
  }

  /**
   * Arriving media, kb/s, by encoding, without padding: browsers pad by sending old packets again by RTX, which
   * mediasoup counts only where they repair something.
   */
  async receivedKbps(): Promise<{ readonly video: readonly number[]; readonly audio: number }> {
    const of = async (kind: types.MediaKind): Promise<number[]> => {
      const [producer] = byKind(this.#producers, kind)
      // A producer that closes meanwhile receives nothing.
      const stats = (await producer?.getStats().catch(() => [])) ?? []
      const encodings = producer?.rtpParameters.encodings ?? []
      return encodings.map(({ rid, ssrc }) => {
        const own = stats.find((stat) => (stat.rid === undefined ? stat.ssrc === ssrc : stat.rid === rid))
        return ((encodings.length === 1 ? stats[0] : own)?.bitrate ?? 0) / 1000
      })
    }
    const [video, [audio = 0]] = await Promise.all([of('video'), of('audio')])
    return { video, audio }
  }

  /** Takes a new ceiling while it runs. A transport that closes meanwhile, as when its worker dies, needs none. */
  async bound(abr: Abr): Promise<void> {
    const { transport } = this.end
    await transport.setMaxIncomingBitrate(abr.max_kbps * 1000).catch((error) => {
      if (!transport.closed) throw error
    })
  }

  /**
   * Takes one track; viewers are offered it at once.
   * @throws CodedError `already_producing` (409), `codec_not_supported` or `layers_not_supported` (415),
   * `bad_rtp_parameters` (400), `gone` (410) when the transport is closed meanwhile, `no_worker` (503) when its worker dies
   */
  async produce(kind: types.MediaKind, rtpParameters: types.RtpParameters): Promise<types.Producer> {
    if (this.#closed) throw this.end.gone()
    if (this.#producers.some((producer) => producer.kind === kind))
      throw new CodedError('already_producing', `there is a producer of ${kind} already: close it first`)
    refuseUnforwardable(kind, rtpParameters)
    const producer = await this.end.transport.produce({ kind, rtpParameters }).catch((error) => {
      throw this.#closed ? this.end.gone() : refusalOf(error)
    })
    const watch = await ArrivalWatch.of(producer, {
      changed: () => this.#tellState(),
      reported: (report) => this.#onReport(producer, report),
    }).catch((error: unknown) => {
      throw this.#closed ? this.end.gone() : error
    })
    await this.#lane.feed(this.#slot, producer).catch((error: unknown) => {
      const lost = this.#closed || producer.closed
      producer.close()
      throw lost ? this.end.gone() : error
    })
    if (this.#closed || producer.closed) throw this.end.gone()
    this.#watches.set(producer, watch)
    this.#producers = [...this.#producers, producer]
    producer.observer.once('close', () => this.#forget(producer))
    this.#tellState()
    return producer
  }

  /** @throws CodedError `unknown_producer` (404) */
  closeProducer(producerId: string): void {
    this.#producer(producerId).close()
  }

  /** Forwards nothing of a track until it is resumed. @throws CodedError `unknown_producer` (404) */
  async pause(producerId: string): Promise<void> {
    const producer = this.#producer(producerId)
    await producer.pause()
    await this.#lane.setPaused(producer.kind, true)
    this.#tellState()
  }

  /** @throws CodedError `unknown_producer` (404) */
  async resume(producerId: string): Promise<void> {
    const producer = this.#producer(producerId)
    await producer.resume()
    await this.#lane.setPaused(producer.kind, false)
    this.#watches.get(producer)?.expect()
    this.#tellState()
  }

  /** How far the publisher's clock is ahead of the hub's, ms, as the publisher found by comparing. */
  set clockAheadMs(ms: number | null) {
    this.#clockAheadMs = ms
  }

  demanded(demand: LayerDemand): void {
    this.#demand = demand
    for (const watch of this.#watches.values()) watch.expect()
  }

  /** The publisher hears that its transport is gone, and makes another. */
  workerReplaced(): void {}

  /** The owner is done with the publisher. The stream goes on without a source. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#close()
    return Promise.resolve()
  }

  /** @throws CodedError `unknown_producer` (404) */
  #producer(producerId: string): types.Producer {
    const producer = this.#producers.find(({ id }) => id === producerId)
    if (!producer) throw new CodedError('unknown_producer', 'there is no such producer')
    return producer
  }

  #forget(producer: types.Producer): void {
    this.#watches.delete(producer)
    // The producer closed with its transport: viewers keep their consumers for the publisher's next transport.
    if (this.end.transport.closed) return
    this.#producers = this.#producers.filter((other) => other !== producer)
    this.#lane.end(producer.kind)
    this.#tellState()
  }

  #tellState(): void {
    if (this.#closed) return
    const producers = this.#producers
    const arriving = producers.some((producer) => this.#watches.get(producer)?.arriving)
    // Muted media, and media that nobody watches, need not arrive.
    const expected = producers.filter((producer) => !producer.paused && this.#isWanted(producer.kind))
    const missing = !arriving && (producers.length === 0 || expected.length > 0)
    if (!arriving && this.#host.state.state !== 'live') return
    if (missing) return this.#host.setState({ state: 'input_lost' })
    const muted = producers.filter(({ paused }) => paused).map(({ kind }) => kind)
    this.#host.setState({ state: 'live', ...(muted.length > 0 && { muted }) })
  }

  #isWanted(kind: types.MediaKind): boolean {
    return kind === 'audio' ? this.#demand.audio : this.#demand.video.includes(true)
  }

  /** Reports the clock of each layer now and then. Each layer has its own RTP clock, which does not drift. */
  #onReport(producer: types.Producer, { ssrc, senderUnixMs, rtpTimestamp }: SenderReport): void {
    const encoding = producer.score.find((score) => score.ssrc === ssrc)
    if (producer.kind !== 'video' || !encoding) return
    const now = performance.now()
    if (now - (this.#clockTold.get(ssrc) ?? Number.NEGATIVE_INFINITY) < CLOCK_EVERY_MS) return
    const laneTimestamp = this.#lane.timestamp(producer.kind, encoding.encodingIdx, rtpTimestamp >>> 0)
    if (laneTimestamp === null) return
    this.#clockTold.set(ssrc, now)
    const ahead = this.#clockAheadMs
    this.#host.captured({
      layer: encoding.encodingIdx,
      rtp_timestamp: laneTimestamp,
      capture_unix_ms: ahead === null ? Date.now() : senderUnixMs - ahead,
      source: ahead === null ? 'arrival' : 'sender',
    })
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.end[Symbol.dispose]()
    this.#stream.detach(this)
  }
}

function byKind(producers: readonly types.Producer[], kind: types.MediaKind): types.Producer[] {
  return producers.filter((producer) => producer.kind === kind)
}

/** mediasoup's refusals of a publisher's parameters, with a status. */
function refusalOf(error: unknown): unknown {
  const name = error instanceof Error ? error.name : ''
  if (name === 'UnsupportedError') return new CodedError('codec_not_supported', messageOf(error))
  if (name === 'TypeError') return new CodedError('bad_rtp_parameters', messageOf(error))
  return error
}
