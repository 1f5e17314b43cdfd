import { type RestartReason, restartIceAnswer } from '../../common/wire/web-rtc-shapes.ts'
import { HubProbe } from './hub-probe.ts'
import { NetworkWatch } from './network-watch.ts'
import { type Attempt, PathRecovery } from './path-recovery.ts'
import { PathWatch } from './path-watch.ts'
import type { PublisherConnection } from './publisher-connection.ts'
import type { SendingMedia } from './sending-media.ts'

/** How long the next connection may take, ms. */
const CONNECTS_WITHIN_MS = 2_500
/** A publisher that sent something within this time sends, ms. */
const SENDS_WITHIN_MS = 1_000
/** How often to look at what comes back for what is sent, ms. */
const LOOK_EVERY_MS = 200

/** What is published: one connection to the hub, and one transport. */
export interface RoamingPublication {
  readonly connection: PublisherConnection | null
  readonly media: SendingMedia | null
  /** Gives a connection up. The next one comes by itself, at once. */
  dropConnection(connection: PublisherConnection, reason: string): void
  /** Resolves with the present connection once the hub has taken the publisher in on it. */
  published(): Promise<PublisherConnection>
  /** What is sent does not arrive, with the reason; null once it does again. */
  pathIs(lost: string | null): void
  /** The path is another one from now on. */
  recovered(): void
  /** The transport will not deliver any more. */
  failed(reason: string): void
}

/** Keeps a publication alive over changes of the network: restarts ICE. Transport and producers stay. */
export class PublisherRoaming {
  readonly #publication: RoamingPublication
  readonly #network = new NetworkWatch((reason) => this.lost(reason))
  readonly #watch: PathWatch
  readonly #recovery: PathRecovery
  readonly #probe = new HubProbe()
  #restarts = 0
  #sent = 0
  #sentAt = Number.NEGATIVE_INFINITY

  constructor(publication: RoamingPublication) {
    this.#publication = publication
    this.#watch = new PathWatch(
      {
        get expects() {
          return publication.media?.connected ?? false
        },
        shown: null,
        arrived: () => this.#arrived(),
        suspected: () => {
          if (this.#sends) this.#probe.ask(publication.connection)
        },
        silent: () => {
          if (this.#sends) this.lost('silence')
        },
      },
      LOOK_EVERY_MS,
    )
    this.#recovery = new PathRecovery({
      attempt: (restart) => this.#attempt(restart),
      arrived: async () => (this.#sends ? this.#arrived() : null),
      get connected() {
        return publication.media?.connected ?? false
      },
      recovered: () => {
        publication.pathIs(null)
        publication.recovered()
      },
      failed: (reason) => publication.failed(reason),
    })
  }

  /** ICE restarts so far. */
  get restarts(): number {
    return this.#restarts
  }

  /** The path is lost, or probably another one. */
  lost(reason: RestartReason): void {
    if (this.#publication.media === null) return
    if (reason === 'silence' || reason === 'disconnected')
      this.#publication.pathIs('nothing arrives at the server over this network')
    this.#recovery.begin(reason)
  }

  close(): void {
    this.#network.close()
    this.#watch.close()
    this.#recovery.close()
  }

  /** Bytes of reports that the hub has sent about the media. They come only while media is sent. */
  async #arrived(): Promise<number> {
    const { sent = 0, arrived = 0 } = (await this.#publication.media?.bytes()) ?? {}
    if (sent !== this.#sent) this.#sentAt = performance.now()
    this.#sent = sent
    return arrived
  }

  /** Whether anything is sent now. */
  get #sends(): boolean {
    return performance.now() - this.#sentAt < SENDS_WITHIN_MS
  }

  async #attempt(reason: RestartReason | null): Promise<Attempt> {
    const { connection, media } = this.#publication
    if (media === null || reason === null) return 'done'
    const late = after(connection === null ? 0 : this.#probe.patienceWith(connection))
    const first =
      connection === null ? late : await Promise.race([this.#ask(connection, media, reason), late])
    if (first === 'done' || first === 'gone') return this.#stillOf(media, first)
    if (connection !== null && connection === this.#publication.connection)
      this.#publication.dropConnection(connection, 'the network changed')
    const next = await Promise.race([this.#publication.published(), after(CONNECTS_WITHIN_MS)])
    if (next === 'unreachable') {
      const present = this.#publication.connection
      if (present !== null) this.#publication.dropConnection(present, 'the server did not answer')
      return 'unreachable'
    }
    if (media !== this.#publication.media) return 'done'
    return this.#stillOf(
      media,
      await Promise.race([this.#ask(next, media, reason), after(CONNECTS_WITHIN_MS)]),
    )
  }

  /** The hub may have taken the publisher in over a new transport meanwhile. */
  #stillOf(media: SendingMedia, outcome: Attempt): Attempt {
    return media === this.#publication.media ? outcome : 'done'
  }

  async #ask(connection: PublisherConnection, media: SendingMedia, reason: RestartReason): Promise<Attempt> {
    try {
      const answer = await connection.request('restart-ice', { transport_id: media.id, reason })
      this.#restarts++
      await media.restartIce(restartIceAnswer.parse(answer))
      return 'done'
    } catch {
      // A hub that refuses is there: it has no such transport.
      return connection.over ? 'unreachable' : 'gone'
    }
  }
}

function after(ms: number): Promise<'unreachable'> {
  return new Promise((resolve) => setTimeout(resolve, ms, 'unreachable'))
}
