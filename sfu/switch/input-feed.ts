import type { types } from 'mediasoup'
import type { HubToSwitch, InputTrackSpec } from '../../common/wire/switch-ipc.ts'
import { LOOPBACK } from '../router-pipes.ts'
import type { Stream } from '../stream.ts'
import { Subscriber } from '../subscriber.ts'

export type Feed = Extract<HubToSwitch, { type: 'feed' }>

const CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time'
const H264 = 'video/h264'
const OPUS = 'audio/opus'

export interface InputFeedListener {
  /** What the process must know of the input has changed. */
  changed(feed: Feed): void
  /** The state of the input's stream has changed. */
  stateChanged(id: string): void
  captured(message: Extract<HubToSwitch, { type: 'captured' }>): void
  failed(error: unknown): void
}

/**
 * The hub's side of one input of a switched lane: it subscribes to the input's stream while there is one, by a pipe
 * that sends to the switch process. The stream may come, go and come again under the same id.
 */
export class InputFeed implements Disposable {
  readonly id: string
  /** The process's loopback port for this input. */
  readonly port: number
  readonly #listener: InputFeedListener
  #stream: Stream | null = null
  #stack = new DisposableStack()
  #subscriber: Subscriber | null = null
  #claim = 0
  #feed: Feed
  #wrongCodec: string | null = null

  constructor(id: string, port: number, listener: InputFeedListener) {
    this.id = id
    this.port = port
    this.#listener = listener
    this.#feed = nothing(id)
  }

  /** What the process should know now. */
  get feed(): Feed {
    return this.#feed
  }

  get stream(): Stream | null {
    return this.#stream
  }

  /** Number of layers of the input's pictures; 0 while it has none. */
  get renditions(): number {
    return this.#feed.tracks.filter(({ kind }) => kind === 'video').length
  }

  /** Takes its media from this stream, from none with null. */
  connect(stream: Stream | null): void {
    if (stream === this.#stream) return
    this.#disconnect()
    if (!stream) return
    this.#stream = stream
    this.#stack.defer(
      stream.observe({
        stateChanged: () => {
          this.#tell({})
          this.#listener.stateChanged(this.id)
        },
        captureClock: ({ layer = null, rtp_timestamp, capture_unix_ms, source }) => {
          const clock = { rendition: layer, rtp_timestamp, capture_unix_ms, source }
          this.#listener.captured({ type: 'captured', id: this.id, ...clock })
        },
      }),
    )
    let transport: types.PipeTransport | null = null
    this.#subscriber = this.#stack.use(
      new Subscriber({
        stream,
        connect: async (router) => {
          const opened = await router.createPipeTransport({ listenInfo: LOOPBACK })
          await opened.connect({ ip: '127.0.0.1', port: this.port }).catch((error: unknown) => {
            opened.close()
            throw error
          })
          transport = opened
          return opened
        },
        demand: this.#demand,
        consuming: (consumers) => {
          if (transport) this.#consuming(transport, consumers)
        },
        failed: (error) => this.#listener.failed(error),
      }),
    )
  }

  /** The highest spatial layer that the input's publisher is asked for; the lowest is always asked for. */
  claim(layer: number): void {
    if (this.#claim === layer) return
    this.#claim = layer
    this.#subscriber?.want(this.#demand)
  }

  [Symbol.dispose](): void {
    this.#disconnect()
  }

  get #demand() {
    return { video: true, audio: true, claim: this.#claim }
  }

  #disconnect(): void {
    const stack = this.#stack
    this.#stack = new DisposableStack()
    this.#stream = null
    this.#subscriber = null
    this.#wrongCodec = null
    stack.dispose()
    this.#feed = nothing(this.id)
    this.#listener.changed(this.#feed)
  }

  #consuming(transport: types.PipeTransport, consumers: readonly types.Consumer[]): void {
    const other = consumers.find(({ rtpParameters }) => !isSwitchable(rtpParameters))
    this.#wrongCodec = other
      ? `it sends ${other.rtpParameters.codecs[0]?.mimeType}; a switched stream takes H.264 and Opus`
      : null
    this.#tell({
      target: { ip: '127.0.0.1', port: transport.tuple.localPort },
      tracks: other ? [] : consumers.flatMap(tracksOf),
    })
  }

  #tell(change: Partial<Feed>): void {
    const stream = this.#stream
    if (!stream) return
    const { state, reason } = stream.state
    const refused = state === 'refused' ? (reason ?? 'browsers can not show it') : this.#wrongCodec
    const feed: Feed = { ...this.#feed, ...change, clock: stream.laneClock, refused }
    if (JSON.stringify(feed) === JSON.stringify(this.#feed)) return
    this.#feed = feed
    this.#listener.changed(feed)
  }
}

function nothing(id: string): Feed {
  return { type: 'feed', id, target: null, tracks: [], clock: null, refused: null }
}

function isSwitchable({ codecs }: types.RtpParameters): boolean {
  const mimeType = codecs[0]?.mimeType.toLowerCase()
  return mimeType === H264 || mimeType === OPUS
}

function tracksOf({ kind, rtpParameters }: types.Consumer): InputTrackSpec[] {
  const { encodings = [], headerExtensions = [] } = rtpParameters
  const capture_time_id = headerExtensions.find(({ uri }) => uri === CAPTURE_TIME)?.id ?? 0
  return encodings.flatMap(({ ssrc }, rendition) =>
    ssrc === undefined ? [] : [{ kind, ssrc, rendition, capture_time_id }],
  )
}
