import { CodedError } from '../common/errors.ts'
import { type IceAccess, NO_RELAYS } from '../common/wire/flow-contract.ts'
import {
  MAX_WATCHED_STREAMS,
  type View,
  type WatchedStream as WatchedStreamInfo,
} from '../common/wire/viewer-protocol.ts'
import type { Stream } from '../sfu/stream.ts'
import { type Receiver, Viewer } from '../sfu/viewer.ts'
import { PresentClient } from './present-client.ts'
import { connectionGone } from './session-peer.ts'
import type { ViewerAdmission } from './viewer-admission.ts'
import { WatchedStream } from './watched-stream.ts'
import type { WatchingClient } from './watching-client.ts'

export interface Joined {
  readonly viewer: Viewer
  readonly receiver: Receiver
  readonly streams: WatchedStreamInfo[]
  /** The relays for the transport. */
  readonly ice: IceAccess
}

/**
 * What one client watches: streams by the tickets of their contracts, on one transport. Disposing of it closes the
 * transport and frees the places. For a while the places can be taken again with the same tickets.
 */
export class Watching implements Disposable {
  readonly #admission: ViewerAdmission
  readonly #client: PresentClient
  #abandoned = (): void => {}
  /** By the ticket that admitted each stream. */
  readonly #watched = new Map<string, WatchedStream>()
  #joined: Omit<Joined, 'streams' | 'ice'> | null = null
  #closed = false

  constructor(admission: ViewerAdmission, client: WatchingClient) {
    this.#admission = admission
    this.#client = new PresentClient(client, () => this.#abandoned())
  }

  /**
   * Subscribes: from the ticket of a contract to consumers. All streams of the client go over to the new transport.
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
    // One after the other, because each stream adds its ceiling to the transport's ceiling.
    const streams: WatchedStreamInfo[] = []
    for (const watched of this.all) if (!watched.over) streams.push(await watched.joinOn(viewer))
    if (this.#closed) throw viewer.end.gone(connectionGone())
    stack.move()
    this.#joined = { viewer, receiver }
    return { viewer, receiver, streams, ice: first.ice() }
  }

  /**
   * Watches one more stream, on the present transport.
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
   * @param contractId the previous contract, which gives its place back
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

  /** Lets the client in by a ticket. A ticket that the client has used already gives the same watched stream again. */
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

  /** Whether one of the streams is watched by this ticket. */
  has(ticket: string): boolean {
    return this.#watched.has(ticket)
  }

  /** Whether all streams are watched without a token. */
  get anonymous(): boolean {
    return this.all.every((watched) => watched.anonymous)
  }

  /**
   * The connection is lost, and another may come. Returns false where there is nothing to come back to: media that
   * somebody has received.
   * @param abandoned called when there is nothing to come back to any more
   */
  away(abandoned: () => void): boolean {
    this.#client.behind = null
    this.#abandoned = abandoned
    for (const watched of this.all) watched.away()
    const { dtlsState } = this.#joined?.viewer.end.transport ?? {}
    return !this.#closed && dtlsState === 'connected' && this.#watched.size > 0
  }

  /**
   * Another connection of the same client has come. It is told what may have changed.
   * @throws CodedError `gone` (410)
   */
  back(client: WatchingClient): WatchedStreamInfo[] {
    if (this.#closed) throw connectionGone()
    this.#client.behind = client
    return this.all.map((watched) => {
      if (client.present) watched.connected()
      return watched.back()
    })
  }

  /** Stops watching a stream. Its place can be taken again with the same ticket. */
  forget(watched: WatchedStream): void {
    for (const [ticket, each] of this.#watched) if (each === watched) this.#watched.delete(ticket)
    const [other] = this.#watched.values()
    if (other && !this.#closed) watched.passRelays(other)
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

  /** The relays for another transport of this client, with credentials of this moment. */
  ice(): IceAccess {
    return this.all[0]?.ice() ?? NO_RELAYS
  }

  get viewer(): Viewer | null {
    return this.#joined?.viewer ?? null
  }

  /** @throws CodedError `not_joined` (409) */
  get joined(): Omit<Joined, 'streams' | 'ice'> {
    if (!this.#joined) throw new CodedError('not_joined', 'send join first')
    return this.#joined
  }

  /** All streams have moved to this transport. */
  take(viewer: Viewer): void {
    this.#joined = { ...this.joined, viewer }
  }

  /** The transport was lost. */
  lost(): void {
    this.#joined = null
    this.#forgetMedia()
  }

  /** Closes the transport. The watched streams wait for the next transport. */
  drop(): void {
    this.#forgetMedia()
    this.#joined?.viewer[Symbol.dispose]()
    this.#joined = null
  }

  /** The client is done. Its places are given back at once. */
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
