import type { ConsumerInfo, HubNews } from '../common/wire/viewer-protocol.ts'
import { connectionGone } from './session-peer.ts'
import type { WatchingClient } from './watching-client.ts'

/** Whoever is at the other end now. Media and contracts know this one; behind it one connection follows another. */
export class PresentClient implements WatchingClient {
  /** Null while the connection is lost and the next one has not come. */
  behind: WatchingClient | null
  readonly #abandoned: () => void

  /** @param abandoned there is nothing to come back to: the media or the last contract ended while nobody was here */
  constructor(client: WatchingClient, abandoned: () => void) {
    this.behind = client
    this.#abandoned = abandoned
  }

  get present(): boolean {
    return this.behind?.present ?? false
  }

  tell(...news: HubNews): void {
    this.behind?.tell(...news)
  }

  offer(consumer: ConsumerInfo): Promise<void> {
    return this.behind?.offer(consumer) ?? Promise.reject(connectionGone())
  }

  pathLost(): void {
    this.behind?.pathLost?.()
  }

  transportLost(reason: string): void {
    if (this.behind) this.behind.transportLost(reason)
    else this.#abandoned()
  }

  mediaFailed(kind: 'consume' | 'media', error: unknown): void {
    // An offer that nobody answered is made again to the next connection.
    this.behind?.mediaFailed(kind, error)
  }

  over(): void {
    if (this.behind) this.behind.over()
    else this.#abandoned()
  }

  disturbed(): void {
    this.behind?.disturbed()
  }
}
