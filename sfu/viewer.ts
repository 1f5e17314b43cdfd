import type { types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import type { Abr } from '../common/wire/flow-contract.ts'
import type { ConsumerInfo, JoinAnswer } from '../common/wire/viewer-protocol.ts'
import type { Stream } from './stream.ts'
import type { WorkerSlot } from './worker-pool.ts'

/** What a viewer's media does by itself; facts for whoever signals to the browser. */
export interface ViewerListener {
  /** The worker died under the transport, or ICE consent or DTLS failed for good. */
  transportLost(reason: string): void
  consumerClosed(consumerId: string): void
  layerChanged(consumerId: string, spatialLayer: number | null): void
}

/**
 * One browser's media on one worker: a WebRTC transport and a consumer for each of the lane's producers. Closing
 * it closes both; when the worker or the transport dies, the listener hears of it once and makes another.
 */
export class Viewer implements Disposable {
  readonly slot: WorkerSlot
  readonly #stream: Stream
  readonly #transport: types.WebRtcTransport
  readonly #capabilities: types.RtpCapabilities
  readonly #listener: ViewerListener
  readonly #consumers = new Map<string, types.Consumer>()
  #laneSeen: readonly types.Producer[] = []
  #closed = false

  private constructor(
    stream: Stream,
    slot: WorkerSlot,
    transport: types.WebRtcTransport,
    capabilities: types.RtpCapabilities,
    listener: ViewerListener,
  ) {
    this.#stream = stream
    this.slot = slot
    this.#transport = transport
    this.#capabilities = capabilities
    this.#listener = listener
    transport.observer.once('close', () => this.#lost('worker_lost'))
    transport.on('dtlsstatechange', (state) => {
      if (state === 'failed' || state === 'closed') this.#lost(`dtls_${state}`)
    })
    transport.on('icestatechange', (state) => {
      if (state === 'disconnected') this.#lost('ice_disconnected')
    })
  }

  /**
   * Makes the transport next to the stream's lane; `bound` gives it the rest of the contract's bitrate bounds.
   * @throws CodedError `no_worker` (503) while no worker is up
   */
  static async open(
    stream: Stream,
    abr: Abr,
    capabilities: types.RtpCapabilities,
    listener: ViewerListener,
  ): Promise<Viewer> {
    const slot = stream.home()
    if (!slot)
      throw new CodedError('no_worker', 'no media worker is up; try again in a second', { status: 503 })
    const transport = await slot.router.createWebRtcTransport({
      webRtcServer: slot.webRtcServer,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      initialAvailableOutgoingBitrate: abr.start_kbps * 1000,
    })
    return new Viewer(stream, slot, transport, capabilities, listener)
  }

  get transportId(): string {
    return this.#transport.id
  }

  /** What the browser needs to build its side of the transport. */
  describe(): JoinAnswer['transport'] {
    const { id, iceParameters, iceCandidates, dtlsParameters } = this.#transport
    return {
      id,
      ice_parameters: { ...iceParameters },
      ice_candidates: iceCandidates.map((candidate) => ({ ...candidate })),
      dtls_parameters: { ...dtlsParameters },
    }
  }

  /** Holds the transport's estimate between the contract's floor and ceiling. */
  async bound(abr: Abr): Promise<void> {
    // mediasoup refuses a ceiling below the floor that is in force, so the floor goes first.
    await this.#transport.setMinOutgoingBitrate(0)
    await this.#transport.setMaxOutgoingBitrate(abr.max_kbps * 1000)
    await this.#transport.setMinOutgoingBitrate(abr.min_kbps * 1000)
  }

  async connect(dtlsParameters: types.DtlsParameters): Promise<void> {
    await this.#transport.connect({ dtlsParameters })
  }

  /**
   * Consumes whatever of the lane is not consumed yet. `paused` consumers wait for `resume`, which a browser that
   * is connected already needs: packets that come before its answer would be lost.
   * @throws CodedError `codec_not_supported` (415) when the browser can decode none of a producer's codec
   */
  async consumeLane(paused: boolean): Promise<ConsumerInfo[]> {
    this.#laneSeen = this.#stream.producers()
    const producers = await this.#stream.producersOn(this.slot.router)
    const consumed = new Set(Array.from(this.#consumers.values(), (consumer) => consumer.producerId))
    const wanted = producers.filter((producer) => !consumed.has(producer.id))
    return Promise.all(wanted.map((producer) => this.#consume(producer, paused)))
  }

  /** Whether it consumes just what the lane has now; a lane that is made anew while a consumer is made is missed. */
  get consumesLane(): boolean {
    return this.#laneSeen === this.#stream.producers()
  }

  async resume(consumerId: string): Promise<void> {
    await this.#consumers.get(consumerId)?.resume()
  }

  /** Asks the publisher for an IDR. @throws CodedError `unknown_consumer` (404) */
  async requestKeyframe(consumerId: string): Promise<void> {
    const consumer = this.#consumers.get(consumerId)
    if (!consumer) throw new CodedError('unknown_consumer', 'there is no such consumer', { status: 404 })
    await consumer.requestKeyFrame()
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#transport.close()
  }

  async #consume(producer: types.Producer, paused: boolean): Promise<ConsumerInfo> {
    if (!this.#slotCanConsume(producer)) {
      const codec = producer.rtpParameters.codecs[0]?.mimeType ?? producer.kind
      throw new CodedError('codec_not_supported', `this browser can not receive ${codec}`, { status: 415 })
    }
    const consumer = await this.#transport.consume({
      producerId: producer.id,
      rtpCapabilities: this.#capabilities,
      paused,
    })
    this.#consumers.set(consumer.id, consumer)
    consumer.once('producerclose', () => {
      this.#consumers.delete(consumer.id)
      this.#listener.consumerClosed(consumer.id)
    })
    consumer.on('layerschange', (layers) =>
      this.#listener.layerChanged(consumer.id, layers?.spatialLayer ?? null),
    )
    return {
      consumer_id: consumer.id,
      producer_id: producer.id,
      kind: consumer.kind,
      rtp_parameters: { ...consumer.rtpParameters },
    }
  }

  #slotCanConsume(producer: types.Producer): boolean {
    return this.slot.router.canConsume({ producerId: producer.id, rtpCapabilities: this.#capabilities })
  }

  #lost(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#transport.close()
    this.#listener.transportLost(reason)
  }
}
