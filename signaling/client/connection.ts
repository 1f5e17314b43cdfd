import type { StreamSummary, SubscribeRequest } from '../../common/wire/flows-api.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { View } from '../../common/wire/viewer-protocol.ts'
import type { PublishedTrack, TrackWishes } from './published-track.ts'
import type { PublisherClient } from './publisher-client.ts'
import { listStreams } from './stream-list.ts'
import { ViewerClient } from './viewer-client.ts'
import { ViewingConnections } from './viewing-connections.ts'

export interface ConnectOptions {
  /** The hub's address, as `https://hub.example:9415`. */
  readonly hubUrl: string
  /** Whose streams are meant, for callers without a token; a token names its own tenant. */
  readonly tenantId?: string
  /** The bearer token of now, asked for before each request; without one the caller is anonymous. */
  readonly token?: () => string | null
  /** The hub's `router_rtp_capabilities`, where they are known before it says them: joining is then quicker. */
  readonly routerCapabilities?: unknown
}

export interface SubscribeOptions extends Pick<SubscribeRequest, 'viewer_class' | 'preference'> {
  /** Where the stream is shown. Its size and visibility decide what is sent. */
  readonly video: HTMLVideoElement
  /** `focused` is served first; `audio` or `video` false, and none of it is sent. */
  readonly view?: Pick<View, 'focused' | 'audio' | 'video'>
}

/**
 * A page's dealings with one hub: any number of streams watched over one WebSocket and one WebRTC transport, and what
 * the page publishes. All of it reconnects by itself until it is closed.
 */
export class Connection implements Disposable {
  readonly #options: ConnectOptions
  readonly #connections = new ViewingConnections()
  readonly #subscriptions = new Set<ViewerClient>()
  readonly #publishers = new Map<string, Promise<PublisherClient>>()

  constructor(options: ConnectOptions) {
    this.#options = options
  }

  /** Watches a stream in an element from now on. What is returned tells its state and statistics. */
  subscribeToTrack(streamId: string, { video, view, ...subscribe }: SubscribeOptions): ViewerClient {
    const subscription = new ViewerClient({
      ...this.#options,
      streamId,
      video,
      subscribe,
      ...(view !== undefined && { view }),
      connections: this.#connections,
    })
    this.#subscriptions.add(subscription)
    subscription.start()
    return subscription
  }

  /** Stops to watch; its element is empty again. */
  unsubscribe(subscription: ViewerClient): void {
    this.#subscriptions.delete(subscription)
    subscription.close()
  }

  /**
   * Publishes a track under a stream's name, one of each kind at a time; audio and video of one stream belong together.
   * @throws when the browser can't encode it so, or the hub does not forward it
   */
  async publishTrack(
    streamId: string,
    track: MediaStreamTrack,
    { streamClass, ...wishes }: TrackWishes & { readonly streamClass?: StreamClass } = {},
  ): Promise<PublishedTrack> {
    return (await this.publisher(streamId, streamClass)).publishTrack(track, wishes)
  }

  /** Who publishes a stream of that name here: its state, viewers, statistics, and timed metadata to send. */
  publisher(streamId: string, streamClass?: StreamClass): Promise<PublisherClient> {
    const known = this.#publishers.get(streamId)
    if (known) return known
    const made = this.#startPublisher(streamId, streamClass)
    this.#publishers.set(streamId, made)
    // What publishing takes could not be loaded: the next one tries again.
    made.catch(() => {
      if (this.#publishers.get(streamId) === made) this.#publishers.delete(streamId)
    })
    return made
  }

  /** Stops to publish a stream. Its tracks are the page's, and go on. */
  async unpublish(streamId: string): Promise<void> {
    const publisher = this.#publishers.get(streamId)
    this.#publishers.delete(streamId)
    ;(await publisher)?.close()
  }

  /** The streams that the caller may watch. @throws HubRefusal, or an Error that says why there is no answer */
  listStreams(): Promise<StreamSummary[]> {
    return listStreams(this.#options.hubUrl, this.#options.token?.() ?? null)
  }

  /** Stops all of it. */
  close(): void {
    for (const subscription of this.#subscriptions) this.unsubscribe(subscription)
    for (const streamId of this.#publishers.keys()) this.unpublish(streamId).catch(() => {})
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Pages that only watch need not load what publishing takes. */
  async #startPublisher(streamId: string, streamClass: StreamClass | undefined): Promise<PublisherClient> {
    const { PublisherClient } = await import('./publisher-client.ts')
    const { hubUrl, token } = this.#options
    const publisher = new PublisherClient({
      hubUrl,
      streamId,
      ...(token !== undefined && { token }),
      ...(streamClass !== undefined && { streamClass }),
    })
    publisher.start()
    return publisher
  }
}

/** Starts a page's dealings with a hub; nothing is sent before something is asked for. */
export function connect(options: ConnectOptions): Connection {
  return new Connection(options)
}
