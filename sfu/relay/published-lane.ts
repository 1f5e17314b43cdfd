import { isDeepStrictEqual } from 'node:util'
import type { types } from 'mediasoup'
import type { LaneClockState } from '../../common/wire/lane-ipc.ts'
import type { RelayTrack } from '../../common/wire/relay-ipc.ts'
import { LaneIdentity } from '../lane/lane-identity.ts'
import type { SourceMedia } from '../stream-source.ts'
import type { WorkerSlot } from '../worker-pool.ts'
import type { Relay } from './relay.ts'
import { firstPosition } from './relayed-track.ts'
import type { Relays } from './relays.ts'

/** A publisher that comes back sends all its tracks within this time, ms. Then a track without input ends. */
const STALE_AFTER_MS = 5000
/** RTP clock rates of all codecs that the hub forwards, Hz. */
const CLOCK_RATES = { video: 90_000, audio: 48_000 } as const

interface LaneTrack {
  readonly slot: WorkerSlot
  readonly relay: Relay
  /** What viewers consume. */
  readonly producer: types.Producer
  readonly shape: Shape
  /** The publisher's producer that feeds the track; closed while the publisher is away. */
  input: types.Producer
  /** A relayed track for each encoding. */
  tracks: readonly RelayTrack[]
}

/** Viewers keep their consumers if the new input equals the previous input in this. */
interface Shape {
  readonly codecs: readonly types.RtpCodecParameters[]
  readonly extensions: readonly types.RtpHeaderExtensionParameters[]
  readonly modes: readonly (string | undefined)[]
}

/**
 * The lane of a stream that is published over WebRTC: the producers that its viewers consume. Publishers feed the lane one
 * after the other, each over a transport of its own. A publisher that comes back with the same codec and layers leaves
 * the producers, and so every consumer and SSRC, as they are.
 */
export class PublishedLane implements Disposable {
  readonly #identity: LaneIdentity
  readonly #relays: Relays
  readonly #changed: () => void
  readonly #tracks = new Map<types.MediaKind, LaneTrack>()
  /** Positions stay when a track ends: its SSRCs may be fed again. */
  readonly #positions = new Map<number, RelayTrack['position']>()
  #media: SourceMedia | null = null
  #stale: NodeJS.Timeout | undefined
  #closed = false

  /** @param changed called when a producer was added, replaced or closed */
  constructor(cname: string, relays: Relays, changed: () => void) {
    this.#identity = new LaneIdentity(cname)
    this.#relays = relays
    this.#changed = changed
  }

  /** The producers, video first; null while there are none. The same object until a producer changes. */
  get media(): SourceMedia | null {
    return this.#media
  }

  get clock(): LaneClockState {
    return this.#identity.clock
  }

  /** Starts the relay of a publisher's worker, if it does not run yet. @throws CodedError `ports_exhausted` (503) */
  prepare(slot: WorkerSlot): void {
    this.#relays.at(slot)
  }

  /**
   * From the next keyframe on, feeds the lane's track of this kind from a publisher's producer.
   * @throws CodedError `ports_exhausted` (503); what mediasoup throws when the producer or the worker closes meanwhile
   */
  async feed(slot: WorkerSlot, input: types.Producer): Promise<void> {
    const relay = this.#relays.at(slot)
    const transport = await relay.transport(slot.router)
    const consumer = await transport.consume({ producerId: input.id })
    const { kind, rtpParameters } = consumer
    const encodings = rtpParameters.encodings ?? []
    const ssrcs = encodings.map((_, index) =>
      kind === 'video' ? this.#identity.videoSsrc(index) : this.#identity.audioSsrc,
    )
    const shape = shapeOf(rtpParameters)
    const before = this.#tracks.get(kind)
    const kept = before?.slot === slot && !before.producer.closed && isDeepStrictEqual(before.shape, shape)
    if (before && !kept) this.#close(kind)
    const producer = kept
      ? before.producer
      : await transport.produce({
          kind,
          rtpParameters: {
            ...rtpParameters,
            encodings: encodings.map((encoding, index) => ({ ...encoding, ssrc: ssrcs[index]! })),
            rtcp: { cname: this.#identity.cname },
          },
        })
    if (producer.paused && !input.paused) await producer.resume()
    if (this.#closed || producer.closed) {
      producer.close()
      throw new Error('the lane was closed while it was fed')
    }
    const tracks = ssrcs.map((ssrc, index) => ({
      ssrc,
      from: encodings[index]!.ssrc!,
      clock_rate: CLOCK_RATES[kind],
      picture_ids: pictureIdsOf(rtpParameters),
      layered: producer.type !== 'simple',
      position: this.#positionOf(ssrc, kind),
      clock: this.#identity.clock,
    }))
    relay.feed(tracks)
    this.#tracks.set(kind, { slot, relay, producer, shape, input, tracks })
    if (!kept) {
      producer.observer.once('close', () => this.#forget(kind, producer))
      this.#setMedia()
      this.#changed()
    }
    clearTimeout(this.#stale)
    this.#stale = setTimeout(() => this.#endStale(), STALE_AFTER_MS).unref()
  }

  /** The publisher sends no more of this kind: viewers' consumers close. */
  end(kind: types.MediaKind): void {
    if (!this.#tracks.has(kind)) return
    this.#close(kind)
    this.#changed()
  }

  /** Pauses or resumes the lane's track of this kind, together with its input. */
  async setPaused(kind: types.MediaKind, paused: boolean): Promise<void> {
    const producer = this.#tracks.get(kind)?.producer
    await (paused ? producer?.pause() : producer?.resume())
  }

  /** An RTP timestamp of the input in the lane's time; null before the first packet. @param layer simulcast layer */
  timestamp(kind: types.MediaKind, layer: number, timestamp: number): number | null {
    const track = this.#tracks.get(kind)?.tracks[layer]
    if (!track || track.position.from !== track.from) return null
    return (timestamp + track.position.shift.timestamp) >>> 0
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#stale)
    for (const kind of [...this.#tracks.keys()]) this.#close(kind)
  }

  #positionOf(ssrc: number, kind: types.MediaKind): RelayTrack['position'] {
    for (const { tracks } of this.#tracks.values())
      for (const track of tracks) if (track.ssrc === ssrc) return track.position
    return this.#positions.get(ssrc) ?? firstPosition(ssrc, this.#identity.clock, CLOCK_RATES[kind])
  }

  /** Ends the tracks of the previous publisher that the present publisher does not send. */
  #endStale(): void {
    const tracks = [...this.#tracks]
    if (tracks.every(([, { input }]) => input.closed)) return
    for (const [kind, { input }] of tracks) if (input.closed) this.end(kind)
  }

  #close(kind: types.MediaKind): void {
    const track = this.#tracks.get(kind)
    if (!track) return
    this.#forget(kind, track.producer)
    track.producer.close()
  }

  /** The worker's death closes producers, too. */
  #forget(kind: types.MediaKind, producer: types.Producer): void {
    const track = this.#tracks.get(kind)
    if (track?.producer !== producer) return
    this.#tracks.delete(kind)
    for (const { ssrc, position } of track.tracks) this.#positions.set(ssrc, position)
    track.relay.drop(track.tracks.map(({ ssrc }) => ssrc))
    this.#setMedia()
  }

  #setMedia(): void {
    const tracks = [this.#tracks.get('video'), this.#tracks.get('audio')].filter(
      (track) => track !== undefined,
    )
    const [first] = tracks
    this.#media = first ? { slot: first.slot, producers: tracks.map(({ producer }) => producer) } : null
  }
}

function shapeOf({ codecs, headerExtensions = [], encodings = [] }: types.RtpParameters): Shape {
  return {
    codecs,
    extensions: headerExtensions,
    modes: encodings.map(({ scalabilityMode }) => scalabilityMode),
  }
}

function pictureIdsOf({ codecs }: types.RtpParameters): RelayTrack['picture_ids'] {
  const mimeType = codecs[0]?.mimeType.toLowerCase()
  return mimeType === 'video/vp8' ? 'vp8' : mimeType === 'video/vp9' ? 'vp9' : null
}
