import type { Device, types } from 'mediasoup-client'
import type { JoinAnswer, WatchedStream } from '../../common/wire/viewer-protocol.ts'
import type { MediaSession } from './media-session.ts'
import { MediaTransport, type MediaTransportOwner } from './media-transport.ts'
import { readCounters } from './receive-statistics.ts'

/** How often to look whether pictures are decoded, and for how long at most, ms. */
const LOOK_EVERY_MS = 60
const WITHIN_MS = 7_000
/** Two pictures: the first one may have waited for other streams, and the second is recent. */
const PICTURES = 2
/** Sound that comes later than this after the pictures is muted at its source, ms. */
const SOUND_WITHIN_MS = 500

/** What must arrive of a stream before it can replace what is shown. */
export interface Awaited {
  readonly picture: boolean
  readonly sound: boolean
}

interface Moving<Watcher> {
  readonly watcher: Watcher
  readonly media: MediaSession
  readonly consumers: readonly types.Consumer[]
}

/** A page's streams on the second transport of a move. Closing it ends the streams that were not taken over. */
export class MovingMedia<Watcher> {
  readonly transport: MediaTransport
  readonly #media: Moving<Watcher>[] = []
  #closed = false

  constructor(
    device: Device,
    { transport, ice }: Pick<JoinAnswer, 'transport' | 'ice'>,
    owner: MediaTransportOwner,
  ) {
    this.transport = new MediaTransport(device, transport, ice, owner)
  }

  /** The streams on the second transport. */
  get media(): readonly Moving<Watcher>[] {
    return this.#media
  }

  /** Starts to receive these streams. @throws when this browser can't */
  async receive(streams: readonly { watcher: Watcher; watched: WatchedStream }[]): Promise<void> {
    await Promise.all(
      streams.map(async ({ watcher, watched }) => {
        const media = this.transport.open()
        const moving = { watcher, media, consumers: await media.consume(watched.consumers) }
        this.#media.push(moving)
        if (this.#closed) media.close()
      }),
    )
  }

  /** Resolves once everything awaited has come. @throws when this is closed, or takes too long */
  async delivers(awaited: (watcher: Watcher) => Awaited): Promise<void> {
    const begun = performance.now()
    let pictureAt: number | null = null
    for (;;) {
      const [pictures, sound] = await this.#arrived(awaited)
      const now = performance.now()
      if (this.#closed) throw new Error('the move is over')
      if (pictures) pictureAt ??= now
      if (pictureAt !== null && (sound || now - pictureAt > SOUND_WITHIN_MS)) return
      if (now - begun > WITHIN_MS) throw new Error('nothing came over the other transport')
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }

  /** Releases the transport. Sessions that were taken over go on. */
  close(): void {
    this.#closed = true
    for (const { media } of this.#media) media.close()
    this.transport.release()
  }

  async #arrived(awaited: (watcher: Watcher) => Awaited): Promise<[pictures: boolean, sound: boolean]> {
    const report = await this.transport.getStats()
    let [pictures, sound] = [true, true]
    for (const { watcher, media } of this.#media) {
      const wants = awaited(watcher)
      const ssrcs = { video: media.ssrc('video'), audio: media.ssrc('audio') }
      const counters = readCounters(report, ssrcs, performance.now())
      if (counters.protocol === null) pictures = false
      if (wants.picture && media.has('video') && counters.framesDecoded < PICTURES) pictures = false
      if (wants.sound && media.has('audio') && counters.audioBytes === 0) sound = false
    }
    return [pictures, sound]
  }
}
