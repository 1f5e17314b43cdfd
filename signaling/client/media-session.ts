import type { Device, types } from 'mediasoup-client'
import type { ConsumerInfo, JoinAnswer, ViewerRequests } from '../../common/wire/viewer-protocol.ts'
import { dtlsParameters, iceCandidates, iceParameters, receiveRtpParameters } from './mediasoup-shapes.ts'

/** What a session needs from its owner, and what it tells. */
export interface MediaSessionOwner {
  /** Sends `connect-transport`. */
  connect(request: ViewerRequests['connect-transport']): Promise<unknown>
  /** ICE or DTLS failed for good: this session will never deliver again. */
  failed(reason: string): void
}

/**
 * One WebRTC transport and what is consumed over it, from one `join` to the next. Closing it ends its tracks;
 * closing the connection to the hub does not close it, so that the last picture stays until the next session
 * delivers.
 */
export class MediaSession {
  readonly #transport: types.Transport
  readonly #consumers = new Map<string, types.Consumer>()

  /** @throws when the hub's parameters are not what mediasoup speaks. */
  constructor(device: Device, join: JoinAnswer['transport'], owner: MediaSessionOwner) {
    this.#transport = device.createRecvTransport({
      id: join.id,
      iceParameters: iceParameters.parse(join.ice_parameters),
      iceCandidates: iceCandidates.parse(join.ice_candidates),
      dtlsParameters: dtlsParameters.parse(join.dtls_parameters),
    })
    this.#transport.on('connect', ({ dtlsParameters: { role, fingerprints } }, connected) => {
      // The browser goes on while the hub hears of it: waiting for the answer would add a round trip to the join.
      connected()
      owner
        .connect({
          transport_id: join.id,
          dtls_parameters: { ...(role && { role }), fingerprints },
        })
        .catch((error: unknown) => owner.failed(`the media connection was refused: ${String(error)}`))
    })
    this.#transport.on('connectionstatechange', (state) => {
      if (state === 'failed') owner.failed('the media connection failed')
    })
  }

  /**
   * Starts to receive these. Calls of one tick share one negotiation, so that audio and video start together.
   * @throws when this browser can't receive one of them.
   */
  async consume(infos: readonly ConsumerInfo[]): Promise<types.Consumer[]> {
    const consumers = await Promise.all(
      infos.map((info) =>
        this.#transport.consume({
          id: info.consumer_id,
          producerId: info.producer_id,
          kind: info.kind,
          rtpParameters: receiveRtpParameters.parse(info.rtp_parameters),
          onRtpReceiver: playAsSoonAsPossible,
        }),
      ),
    )
    for (const consumer of consumers) this.#consumers.set(consumer.id, consumer)
    return consumers
  }

  closeConsumer(id: string): void {
    this.#consumers.get(id)?.close()
    this.#consumers.delete(id)
  }

  has(kind: types.MediaKind): boolean {
    return this.#of(kind) !== undefined
  }

  consumerId(kind: types.MediaKind): string | null {
    return this.#of(kind)?.id ?? null
  }

  /** SSRC of what is received of this kind: tells its statistics from those of mediasoup's probation stream. */
  ssrc(kind: types.MediaKind): number | null {
    return this.#of(kind)?.rtpParameters.encodings?.[0]?.ssrc ?? null
  }

  /** Statistics of the whole transport; rejects once it is closed. */
  async getStats(): Promise<RTCStatsReport> {
    return this.#transport.getStats()
  }

  close(): void {
    this.#transport.close()
    this.#consumers.clear()
  }

  /** The consumer of a kind; a lane that got a new producer may have two for a moment, the later one counts. */
  #of(kind: types.MediaKind): types.Consumer | undefined {
    return [...this.#consumers.values()].findLast((consumer) => consumer.kind === kind)
  }
}

/** Asks for no delay beyond what the jitter itself needs, where the browser lets a page choose. */
function playAsSoonAsPossible(receiver: RTCRtpReceiver): void {
  if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0
  // The older name of the same wish, in seconds (Chromium before 124).
  else if ('playoutDelayHint' in receiver) Object.assign(receiver, { playoutDelayHint: 0 })
}
