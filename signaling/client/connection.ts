import type { StreamSummary, SubscribeRequest } from '../../common/wire/flows-api.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { LaneInput } from '../../common/wire/switched-inputs.ts'
import type { View } from '../../common/wire/viewer-protocol.ts'
import type { PublishedTrack, TrackWishes } from './published-track.ts'
import type { PublisherClient } from './publisher-client.ts'
import type { PublisherOptions } from './publisher-contract.ts'
import { listStreams } from './stream-list.ts'
import { ViewerClient } from './viewer-client.ts'
import { ViewingConnections } from './viewing-connections.ts'

export interface ConnectOptions {
  /** The hub's address, for instance `https://hub.example:9415`. */
  readonly hubUrl: string
  /** The tenant of the streams, for callers without a token. A token names its tenant. */
  readonly tenantId?: string
  /** Returns the present bearer token, before each request. Without a token the caller is anonymous. */
  readonly token?: () => string | null
  /** The hub's `router_rtp_capabilities`, if the page knows them beforehand: joining is then quicker. */
  readonly routerCapabilities?: unknown
}

export interface SubscribeOptions extends Pick<SubscribeRequest, 'viewer_class' | 'preference'> {
  /** The element that shows the stream. Its size and visibility decide what is sent. */
  readonly video: HTMLVideoElement
  /** `focused` is served first. With `audio` or `video` false, none of it is sent. */
  readonly view?: Pick<View, 'focused' | 'audio' | 'video'>
}

/**
 * A page's access to one hub: any number of watched streams over one WebSocket and one WebRTC transport, and everything
 * that the page publishes. Everything reconnects by itself until it is closed.
 */
export class Connection implements Disposable {
  readonly #options: ConnectOptions
  readonly #connections = new ViewingConnections()
  readonly #subscriptions = new Set<ViewerClient>()
  readonly #publishers = new Map<string, Promise<PublisherClient>>()

  constructor(options: ConnectOptions) {
    this.#options = options
  }

  /** Watches a stream in an element from now on. The returned client tells its state and statistics. */
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

  /** Stops watching. The element is then empty. */
  unsubscribe(subscription: ViewerClient): void {
    this.#subscriptions.delete(subscription)
    subscription.close()
  }

  /**
   * Publishes a track under a stream's name, one of each kind at a time. Audio and video of one stream belong together.
   * @throws when the browser can't encode the track as wished, or the hub does not forward it
   */
  async publishTrack(
    streamId: string,
    track: MediaStreamTrack,
    { streamClass, input, ...wishes }: TrackWishes & Pick<PublisherOptions, 'streamClass' | 'input'> = {},
  ): Promise<PublishedTrack> {
    return (await this.publisher(streamId, streamClass, input)).publishTrack(track, wishes)
  }

  /**
   * This page's publisher of a stream: its state, viewers and statistics, and timed metadata to send.
   * @param input which of several publishers of the stream this page is
   */
  publisher(streamId: string, streamClass?: StreamClass, input?: LaneInput): Promise<PublisherClient> {
    const known = this.#publishers.get(streamId)
    if (known) return known
    const made = this.#startPublisher(streamId, streamClass, input)
    this.#publishers.set(streamId, made)
    // The publishing code could not be loaded. The next call tries again.
    made.catch(() => {
      if (this.#publishers.get(streamId) === made) this.#publishers.delete(streamId)
    })
    return made
  }

  /** Stops publishing a stream. Its tracks belong to the page and go on. */
  async unpublish(streamId: string): Promise<void> {
    const publisher = this.#publishers.get(streamId)
    this.#publishers.delete(streamId)
    ;(await publisher)?.close()
  }

  /** The streams that the caller may watch. @throws HubRefusal, or an Error that says why there is no answer */
  listStreams(): Promise<StreamSummary[]> {
    return listStreams(this.#options.hubUrl, this.#options.token?.() ?? null)
  }

  /** Ends everything. */
  close(): void {
    for (const subscription of this.#subscriptions) this.unsubscribe(subscription)
    for (const streamId of this.#publishers.keys()) this.unpublish(streamId).catch(() => {})
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Pages that only watch need not load the publishing code. */
  async #startPublisher(
    streamId: string,
    streamClass: StreamClass | undefined,
    input: LaneInput | undefined,
  ): Promise<PublisherClient> {
    const { PublisherClient } = await import('./publisher-client.ts')
    const { hubUrl, token } = this.#options
    const publisher = new PublisherClient({
      hubUrl,
      streamId,
      ...(token !== undefined && { token }),
      ...(streamClass !== undefined && { streamClass }),
      ...(input !== undefined && { input }),
    })
    publisher.start()
    return publisher
  }
}

/** Opens a page's access to a hub. Nothing is sent before the first call. */
export function connect(options: ConnectOptions): Connection {
  return new Connection(options)
}
