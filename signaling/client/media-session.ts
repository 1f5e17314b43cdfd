import type { types } from 'mediasoup-client'
import type { ConsumerInfo } from '../../common/wire/viewer-protocol.ts'

/** The transport of a session. */
interface Receiving {
  consume(info: ConsumerInfo): Promise<types.Consumer>
  getStats(): Promise<RTCStatsReport>
}

/** The consumers of one stream over one transport. Closing the session ends its tracks. */
export class MediaSession {
  readonly #transport: Receiving
  readonly #onClose: () => void
  readonly #consumers = new Map<string, types.Consumer>()
  #closed = false

  constructor(transport: Receiving, onClose: () => void) {
    this.#transport = transport
    this.#onClose = onClose
  }

  /** Starts to receive these consumers. @throws when this browser can't receive one of them */
  async consume(infos: readonly ConsumerInfo[]): Promise<types.Consumer[]> {
    // After a lost connection the hub offers again what it does not know to be here.
    const missing = infos.filter(({ consumer_id }) => !this.#consumers.has(consumer_id))
    const consumers = await Promise.all(missing.map((info) => this.#transport.consume(info)))
    for (const consumer of consumers) {
      if (this.#closed) consumer.close()
      else this.#consumers.set(consumer.id, consumer)
    }
    return consumers
  }

  get consumerIds(): string[] {
    return [...this.#consumers.keys()]
  }

  /** The tracks to show, one of each kind. */
  get tracks(): MediaStreamTrack[] {
    return (['video', 'audio'] as const).flatMap((kind) => this.#of(kind)?.track ?? [])
  }

  /** When the last picture or sound came, by the browser's clock, ms; null before, and where the browser does not tell. */
  get shownAt(): number | null {
    const times = [...this.#consumers.values()].flatMap(({ rtpReceiver }) =>
      (rtpReceiver?.getSynchronizationSources?.() ?? []).map(({ timestamp }) => timestamp),
    )
    return times.length > 0 ? Math.max(...times) : null
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

  /** SSRC of the received media of this kind, which tells its statistics from others on the transport. */
  ssrc(kind: types.MediaKind): number | null {
    return this.#of(kind)?.rtpParameters.encodings?.[0]?.ssrc ?? null
  }

  /** Statistics of the whole transport; rejects once it is closed. */
  getStats(): Promise<RTCStatsReport> {
    return this.#transport.getStats()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const consumer of this.#consumers.values()) consumer.close()
    this.#consumers.clear()
    this.#onClose()
  }

  /** The consumer of a kind. A stream with a new producer may have two for a moment; the later one counts. */
  #of(kind: types.MediaKind): types.Consumer | undefined {
    return [...this.#consumers.values()].findLast((consumer) => consumer.kind === kind)
  }
}
