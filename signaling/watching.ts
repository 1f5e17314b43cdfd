import { CodedError } from '../common/errors.ts'
import {
  MAX_WATCHED_STREAMS,
  type View,
  type WatchedStream as WatchedStreamInfo,
} from '../common/wire/viewer-protocol.ts'
import type { Stream } from '../sfu/stream.ts'
import type { ViewingClient } from '../sfu/viewed-media.ts'
import { type Receiver, Viewer, type ViewerListener } from '../sfu/viewer.ts'
import { connectionGone } from './session-peer.ts'
import type { ViewerAdmission } from './viewer-admission.ts'
import { WatchedStream } from './watched-stream.ts'

/** Whoever watches, as it can be spoken to: by protoo, or hardly at all by WHEP. */
export interface WatchingClient extends ViewingClient, ViewerListener {
  /** Somebody is at the other end: until then its places give way where there are too many. */
  readonly present: boolean
  /** The contract of all that it watched is over, and so is its media. */
  over(): void
  /** What a move between workers is about has changed. */
  disturbed(): void
}

export interface Joined {
  readonly viewer: Viewer
  readonly receiver: Receiver
  readonly streams: WatchedStreamInfo[]
}

/**
 * What one client watches: streams by the tickets of their contracts, on one transport. Disposing of it closes the
 * transport and frees the places; whoever comes with the same tickets finds them for a while.
 */
export class Watching implements Disposable {
  readonly #admission: ViewerAdmission
  readonly #client: WatchingClient
  /** By the ticket that admitted each stream. */
  readonly #watched = new Map<string, WatchedStream>()
  #joined: Omit<Joined, 'streams'> | null = null
  #closed = false

  constructor(admission: ViewerAdmission, client: WatchingClient) {
    this.#admission = admission
    this.#client = client
  }

  /**
   * The way of a subscribe, from the ticket of a contract to consumers. All that the client watches goes over to the
   * new transport.
   * @param receiverOf how the client takes the media of the stream that the ticket is for
   * @throws CodedError `unknown_ticket` (401), `stream_not_found` (404), `ticket_in_use` (409), `gone` (410),
   *   `codec_not_supported` (415), `too_many_streams` (429), `no_worker` or `saturated` (503)
   */
  async join(ticket: string, view: View, receiverOf: (stream: Stream) => Receiver): Promise<Joined> {
    const first = this.admit(ticket, view)
    const receiver = receiverOf(first.stream)
    this.drop()
    using stack = new DisposableStack()
    stack.defer(() => this.#forgetMedia())
    const viewer = stack.use(await Viewer.open(first.stream, first.abr.start_kbps, receiver, this.#client))
    // One after the other: each raises the transport's ceiling by its own.
    const streams: WatchedStreamInfo[] = []
    for (const watched of this.all) if (!watched.over) streams.push(await watched.joinOn(viewer))
    if (this.#closed) throw viewer.end.gone(connectionGone())
    stack.move()
    this.#joined = { viewer, receiver }
    return { viewer, receiver, streams }
  }

  /**
   * Watches one more stream, on the transport that there is.
   * @throws CodedError `not_joined` (409), and those of `join` about tickets
   */
  watch(ticket: string, view: View): WatchedStreamInfo {
    const { viewer } = this.joined
    const watched = this.admit(ticket, view)
    try {
      return watched.addTo(viewer)
    } catch (error) {
      this.forget(watched)
      throw error
    }
  }

  /**
   * Goes on under the next contract on the same stream.
   * @param contractId the contract before, which gives its place back
   * @throws CodedError `unknown_ticket` (401), `not_watched` (404), `not_joined`, `ticket_in_use` or `other_stream` (409)
   */
  renew(contractId: string, ticket: string): WatchedStreamInfo {
    void this.joined
    const watched = this.by(contractId)
    if (this.#watched.has(ticket))
      throw new CodedError('ticket_in_use', 'this connection uses that ticket already')
    watched.renew((listener) => {
      const admitted = this.#admission.admit(ticket, listener)
      if (admitted.stream === watched.stream) return admitted
      admitted[Symbol.dispose]()
      throw new CodedError(
        'other_stream',
        'the ticket is for another stream: watch that stream beside this one',
      )
    })
    for (const [before, each] of this.#watched) if (each === watched) this.#watched.delete(before)
    this.#watched.set(ticket, watched)
    if (this.#client.present) watched.connected()
    return watched.describe([])
  }

  /** The stream that the ticket is for; one that the client was let in with already stays as it is. */
  admit(ticket: string, view: View): WatchedStream {
    if (this.#closed) throw connectionGone()
    const known = this.#watched.get(ticket)
    if (known) return known
    if (this.#watched.size >= MAX_WATCHED_STREAMS)
      throw new CodedError(
        'too_many_streams',
        `one connection watches ${MAX_WATCHED_STREAMS} streams at most`,
      )
    const watched = new WatchedStream({
      admit: (listener) => this.#admission.admit(ticket, listener),
      client: this.#client,
      view,
      disturbed: () => this.#client.disturbed(),
      ended: (ended) => {
        this.forget(ended)
        if (this.#watched.size > 0) return
        this.drop()
        this.#client.over()
      },
    })
    this.#watched.set(ticket, watched)
    if (this.#client.present) watched.connected()
    return watched
  }

  /** Does not watch it any more; its place is free for whoever comes with the same ticket. */
  forget(watched: WatchedStream): void {
    for (const [ticket, each] of this.#watched) if (each === watched) this.#watched.delete(ticket)
    watched[Symbol.dispose]()
  }

  get all(): readonly WatchedStream[] {
    return [...this.#watched.values()]
  }

  /** @throws CodedError `not_watched` (404) */
  by(contractId: string): WatchedStream {
    const watched = this.all.find((each) => each.contractId === contractId)
    if (watched) return watched
    throw new CodedError('not_watched', 'this connection watches nothing by that contract')
  }

  get viewer(): Viewer | null {
    return this.#joined?.viewer ?? null
  }

  /** @throws CodedError `not_joined` (409) */
  get joined(): Omit<Joined, 'streams'> {
    if (!this.#joined) throw new CodedError('not_joined', 'send join first')
    return this.#joined
  }

  /** Goes on by this transport, which all of its streams moved to. */
  take(viewer: Viewer): void {
    this.#joined = { ...this.joined, viewer }
  }

  /** The transport is gone by itself. */
  lost(): void {
    this.#joined = null
    this.#forgetMedia()
  }

  /** Closes the transport; what is watched waits for the next one. */
  drop(): void {
    this.#forgetMedia()
    this.#joined?.viewer[Symbol.dispose]()
    this.#joined = null
  }

  /** Its client is done: the places are given back at once. */
  leave(): void {
    this.drop()
    for (const watched of this.all) watched.leave()
    this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.drop()
    for (const watched of this.all) this.forget(watched)
  }

  #forgetMedia(): void {
    for (const watched of this.all) watched.lostTransport()
  }
}
