import type { types } from 'mediasoup'
import type { Peer } from 'protoo-server'
import { CodedError } from '../common/errors.ts'
import {
  type ConsumerInfo,
  type HubNotifications,
  type JoinAnswer,
  MAX_WATCHED_STREAMS,
  type View,
  type ViewerRequests,
  viewerNotifications,
  viewerRequests,
  type WatchedStream as WatchedStreamInfo,
} from '../common/wire/viewer-protocol.ts'
import type { MediaEvents, StreamName } from '../sfu/media-events.ts'
import { type Receiver, Viewer, type ViewerListener } from '../sfu/viewer.ts'
import type { ViewerMover } from '../sfu/viewer-mover.ts'
import { HUB_CLOCK } from './hub-clock.ts'
import { parseData } from './protoo-request.ts'
import { SessionMoves } from './session-moves.ts'
import { connectionGone, SessionPeer } from './session-peer.ts'
import type { ViewerAdmission } from './viewer-admission.ts'
import { WatchedStream, type WatchingConnection } from './watched-stream.ts'

/** Requests and notifications a viewer may send: 20 a second, 60 at once. A page needs about one a second. */
const REQUESTS_PER_SECOND = 20
const REQUEST_BURST = 60

/** A connection that does not join within this time is closed, and one that watches nothing any more. */
const JOIN_WITHIN_MS = 15_000
const IDLE_MS = 60_000

/** A browser that has not answered an offered consumer within this time is given up. */
const ANSWER_WITHIN_MS = 10_000

export interface ViewerSessionDependencies {
  readonly admission: ViewerAdmission
  readonly events: MediaEvents
  /** Moves viewers from worker to worker; left out, all stay. */
  readonly mover?: Pick<ViewerMover, 'add'>
}

/**
 * One viewer's protoo connection: its transport, and the streams it watches by their contracts. It is nobody's until
 * its first `join` shows the ticket of one.
 */
export class ViewerSession implements ViewerListener, WatchingConnection {
  readonly #peer: SessionPeer<HubNotifications>
  readonly #admission: ViewerAdmission
  readonly #events: MediaEvents
  #idleTimer: NodeJS.Timeout
  /** By the ticket that each was let in with. */
  readonly #watched = new Map<string, WatchedStream>()
  readonly #mover: Pick<ViewerMover, 'add'> | undefined
  #viewer: Viewer | null = null
  #receiver: Receiver | null = null
  #work: Promise<unknown> = Promise.resolve()
  /** Requests that wait for each other, the running one with them. */
  #waiting = 0
  readonly #moves: SessionMoves
  /** While its page can go on over another transport. */
  #movable: Disposable | null = null
  #closed = false

  constructor(peer: Peer, { admission, events, mover }: ViewerSessionDependencies) {
    this.#admission = admission
    this.#mover = mover
    this.#events = events
    const session = this
    this.#peer = new SessionPeer(peer, {
      role: 'viewer',
      handlers: this.#handlers,
      notified: this.#notified,
      perSecond: REQUESTS_PER_SECOND,
      burst: REQUEST_BURST,
      events,
      get streamName() {
        return session.#streamName
      },
      closed: (vanished) => this.#close(vanished),
    })
    this.#moves = this.#openMoves()
    this.#idleTimer = setTimeout(() => this.#peer.close(), JOIN_WITHIN_MS)
  }

  #openMoves(): SessionMoves {
    const session = this
    return new SessionMoves({
      events: this.#events,
      get carried() {
        const viewer = session.#waiting > 0 || session.#closed ? null : session.#viewer
        const [receiver, name] = [session.#receiver, session.#streamName]
        return viewer && receiver && name ? { viewer, receiver, name, watched: session.#all } : null
      },
      has: (viewer) => session.#viewer === viewer && !session.#closed,
      take: (viewer) => {
        session.#viewer = viewer
      },
      drop: () => session.#closeViewer(),
      request: (method, data) => session.#peer.request(method, data),
      notify: (method, data) => session.notify(method, data),
      transportLost: (reason) => session.transportLost(reason),
      mediaFailed: (error) => session.mediaFailed(error),
    })
  }

  notify<Method extends keyof HubNotifications>(method: Method, data: HubNotifications[Method]): void {
    this.#peer.notify(method, data)
  }

  async offer(consumer: ConsumerInfo): Promise<void> {
    const timer = setTimeout(() => {
      this.#peer.rejected('no_answer', 'a viewer never answered "consume"')
      this.#peer.close()
    }, ANSWER_WITHIN_MS)
    try {
      await this.#peer.request('consume', consumer)
    } finally {
      clearTimeout(timer)
    }
  }

  ended(watched: WatchedStream): void {
    this.#forget(watched)
    if (this.#watched.size > 0) return
    this.#closeViewer()
    this.#peer.closeSoon()
  }

  transportLost(reason: string): void {
    // The page's word that it switched may come after the end of the transport that it let go of. Where it did not
    // switch, the move asks it to join anew.
    if (this.#moves.switching) return
    this.disturbed()
    this.#viewer = null
    for (const watched of this.#watched.values()) watched.lostTransport()
    this.notify('rejoin', { reason })
  }

  mediaFailed(error: unknown): void {
    this.#events.error('signaling', 'media', error)
  }

  disturbed(): void {
    this.#moves.end()
  }

  failed(kind: string, error: unknown): void {
    this.#events.error('signaling', kind, error)
  }

  unplayable(codecs: string): void {
    this.#peer.rejected('codec_not_supported', `a viewer can not receive ${codecs}`)
  }

  readonly #handlers: { [Method in keyof ViewerRequests]: (data: unknown) => Promise<unknown> } = {
    join: async (data) => {
      const { ticket, rtp_capabilities, view, moves } = parseData(viewerRequests.join, data)
      const capabilities = rtp_capabilities as types.RtpCapabilities
      return this.#inTurn(async () => {
        const answer = await this.#join(ticket, capabilities, view)
        if (moves) this.#movable ??= this.#mover?.add(this.#moves) ?? null
        return answer
      })
    },
    watch: async (data) => {
      const { ticket, view, replaces } = parseData(viewerRequests.watch, data)
      return this.#inTurn(() => this.#watch(ticket, view, replaces))
    },
    unwatch: async (data) => {
      const { contract_id } = parseData(viewerRequests.unwatch, data)
      return this.#inTurn(async () => {
        this.#forget(this.#watchedBy(contract_id))
        if (this.#watched.size === 0 && !this.#closed)
          this.#idleTimer = setTimeout(() => this.#peer.close(), IDLE_MS)
        return {}
      })
    },
    'set-view': async (data) => {
      const { contract_id, ...view } = parseData(viewerRequests['set-view'], data)
      this.#watchedBy(contract_id).setView(view)
      return {}
    },
    'connect-transport': async (data) => {
      const { transport_id, dtls_parameters } = parseData(viewerRequests['connect-transport'], data)
      const dtlsParameters = dtls_parameters as types.DtlsParameters
      const move = this.#moves.of(transport_id)
      if (move) {
        await move.connect(dtlsParameters)
        return {}
      }
      if (this.#viewer?.end.id !== transport_id)
        throw new CodedError('unknown_transport', 'that transport is gone: join again')
      await this.#viewer.end.connect(dtlsParameters)
      return {}
    },
    'request-keyframe': async (data) => {
      const { consumer_id } = parseData(viewerRequests['request-keyframe'], data)
      this.#joinedViewer()
      const media = this.#all.map((watched) => watched.mediaOf(consumer_id)).find(Boolean)
      if (!media) throw new CodedError('unknown_consumer', 'there is no such consumer')
      await media.requestKeyframe(consumer_id)
      return {}
    },
    clock: async (data) => {
      parseData(viewerRequests.clock, data)
      return { hub_unix_ms: HUB_CLOCK.now() }
    },
  }

  async #join(
    ticket: string,
    capabilities: types.RtpCapabilities,
    view: View | undefined,
  ): Promise<JoinAnswer> {
    const first = this.#admit(ticket, view)
    this.#closeViewer()
    this.#receiver = { capabilities }
    const viewer = await Viewer.open(first.stream, first.abr.start_kbps, this.#receiver, this)
    try {
      // One after the other: each of them raises the ceiling of the transport by its own.
      const streams: WatchedStreamInfo[] = []
      for (const watched of this.#all) streams.push(await watched.joinOn(viewer))
      if (this.#closed) throw connectionGone()
      this.#viewer = viewer
      return { transport: viewer.end.describe(), streams }
    } catch (error) {
      viewer[Symbol.dispose]()
      for (const watched of this.#all) watched.lostTransport()
      throw error
    }
  }

  async #watch(
    ticket: string,
    view: View | undefined,
    replaces: string | undefined,
  ): Promise<WatchedStreamInfo> {
    const viewer = this.#joinedViewer()
    if (replaces !== undefined) return this.#replace(this.#watchedBy(replaces), ticket)
    const watched = this.#admit(ticket, view)
    try {
      const answer = watched.addTo(viewer)
      if (this.#closed) throw connectionGone()
      return answer
    } catch (error) {
      this.#forget(watched)
      throw error
    }
  }

  #replace(watched: WatchedStream, ticket: string): WatchedStreamInfo {
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
    return watched.describe([])
  }

  /** The stream that the ticket is for; one that the connection was let in with already stays as it is. */
  #admit(ticket: string, view: View | undefined): WatchedStream {
    if (this.#closed) throw connectionGone()
    const known = this.#watched.get(ticket)
    if (known) return known
    if (this.#watched.size >= MAX_WATCHED_STREAMS)
      throw new CodedError(
        'too_many_streams',
        `one connection watches ${MAX_WATCHED_STREAMS} streams at most`,
      )
    const watched = new WatchedStream(this, (listener) => this.#admission.admit(ticket, listener), view)
    clearTimeout(this.#idleTimer)
    this.#watched.set(ticket, watched)
    this.#events.viewerJoined(watched.stream.spec)
    return watched
  }

  #forget(watched: WatchedStream): void {
    for (const [ticket, each] of this.#watched) {
      if (each !== watched) continue
      this.#watched.delete(ticket)
      watched[Symbol.dispose]()
      this.#events.viewerLeft(watched.stream.spec)
    }
  }

  /** Requests that change what is watched run one after the other: of two joins the second one's transport counts. */
  #inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    this.disturbed()
    this.#waiting++
    const done = Promise.all([this.#work, this.#moves.done]).then(work)
    this.#work = done
      .catch(() => {})
      .finally(() => {
        this.#waiting--
      })
    return done
  }

  /** Each answers whether the notification made sense. */
  readonly #notified: { [Method in keyof typeof viewerNotifications]: (data: unknown) => boolean } = {
    report: (data) => {
      const report = viewerNotifications.report.safeParse(data).data
      const watched = this.#aboutBy(report?.contract_id)
      if (!report || !watched) return false
      this.#viewer?.reported()
      const { spec } = watched.stream
      this.#events.viewerReport(spec, spec.streamClass, report, `${this.#peer.id}/${watched.contractId}`)
      return true
    },
    congested: (data) => {
      const seen = viewerNotifications.congested.safeParse(data).data
      if (!seen) return false
      this.#moves.late()
      this.#aboutBy(seen.contract_id)?.congested({ pace: seen.pace, lateMs: seen.late_ms ?? 0 })
      return true
    },
  }

  #aboutBy(contractId: string | undefined): WatchedStream | undefined {
    return contractId === undefined ? this.#all[0] : this.#all.find((each) => each.contractId === contractId)
  }

  get #all(): WatchedStream[] {
    return [...this.#watched.values()]
  }

  get #streamName(): StreamName | null {
    return this.#all[0]?.stream.spec ?? null
  }

  #watchedBy(contractId: string): WatchedStream {
    const watched = this.#all.find((each) => each.contractId === contractId)
    if (!watched) throw new CodedError('not_watched', 'this connection watches nothing by that contract')
    return watched
  }

  #joinedViewer(): Viewer {
    if (!this.#viewer) throw new CodedError('not_joined', 'send join first')
    return this.#viewer
  }

  #closeViewer(): void {
    for (const watched of this.#watched.values()) watched.lostTransport()
    this.#viewer?.[Symbol.dispose]()
    this.#viewer = null
  }

  #close(vanished: boolean): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#idleTimer)
    this.#movable?.[Symbol.dispose]()
    this.disturbed()
    this.#closeViewer()
    for (const watched of this.#all) {
      // Whoever vanished may come back by the same ticket; whoever left asks for another.
      if (!vanished) watched.leave()
      this.#forget(watched)
    }
  }
}
