import type { types } from 'mediasoup'
import type { Peer } from 'protoo-server'
import { CodedError } from '../common/errors.ts'
import {
  type ConsumerInfo,
  type HubNews,
  type HubNotifications,
  type JoinAnswer,
  type ResumeAnswer,
  type ViewerRequests,
  viewerNotifications,
  viewerRequests,
} from '../common/wire/viewer-protocol.ts'
import type { RestartIceAnswer, RestartReason } from '../common/wire/web-rtc-shapes.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { BROWSER_CONSENT } from '../sfu/publisher.ts'
import type { ViewerMover } from '../sfu/viewer-mover.ts'
import { DirectWays, type DirectWaysOptions } from './direct-way.ts'
import { HUB_CLOCK } from './hub-clock.ts'
import { parseData } from './protoo-request.ts'
import { RestartBudget } from './restart-budget.ts'
import { SessionMoves } from './session-moves.ts'
import { connectionGone, SessionPeer } from './session-peer.ts'
import type { ViewerAdmission } from './viewer-admission.ts'
import type { Viewings } from './viewings.ts'
import type { WatchedStream } from './watched-stream.ts'
import { Watching } from './watching.ts'
import type { WatchingClient } from './watching-client.ts'

/** Requests and notifications a viewer may send: 20 a second, 60 at once. A page needs about one a second. */
const REQUESTS_PER_SECOND = 20
const REQUEST_BURST = 60

/** A connection that does not join within this time is closed, and so is one that watches nothing any more. */
const JOIN_WITHIN_MS = 15_000
const IDLE_MS = 60_000

/** A browser that has not answered an offered consumer within this time is given up. */
const ANSWER_WITHIN_MS = 10_000

export interface ViewerSessionDependencies {
  readonly admission: ViewerAdmission
  readonly events: MediaEvents
  readonly direct: DirectWaysOptions
  /** What viewers watch, which outlives their connections. */
  readonly viewings: Pick<Viewings, 'held' | 'vanished' | 'left' | 'take'>
  /** Moves viewers from worker to worker. Left out, all viewers stay. */
  readonly mover?: Pick<ViewerMover, 'add'>
}

/**
 * One viewer's protoo connection: turns its messages into calls of what it watches, and facts into notifications. It is
 * nobody's until its first `join` shows the ticket of a contract.
 */
export class ViewerSession implements WatchingClient {
  readonly present = true
  readonly #peer: SessionPeer<HubNotifications>
  readonly #events: MediaEvents
  readonly #viewings: ViewerSessionDependencies['viewings']
  readonly #direct: DirectWays
  #watching: Watching
  readonly #mover: Pick<ViewerMover, 'add'> | undefined
  readonly #moves: SessionMoves
  readonly #restarts = new RestartBudget()
  /** Set while the page can go on over another transport. */
  #movable: Disposable | null = null
  #idleTimer: NodeJS.Timeout
  #work: Promise<unknown> = Promise.resolve()
  /** Number of requests that run in turn, the running one included. */
  #waiting = 0
  #closed = false

  constructor(peer: Peer, { admission, events, viewings, mover, direct }: ViewerSessionDependencies) {
    this.#direct = new DirectWays(direct)
    this.#events = events
    this.#mover = mover
    this.#viewings = viewings
    this.#watching = new Watching(admission, this)
    this.#holds(this.#watching)
    const session = this
    this.#peer = new SessionPeer(peer, {
      role: 'viewer',
      handlers: this.#handlers,
      notified: this.#notified,
      perSecond: REQUESTS_PER_SECOND,
      burst: REQUEST_BURST,
      events,
      get streamName() {
        return session.#watching.all[0]?.stream.spec ?? null
      },
      closed: (vanished) => this.#close(vanished),
    })
    this.#moves = new SessionMoves({
      events,
      get watching() {
        return session.#watching
      },
      get busy() {
        return session.#waiting > 0
      },
      request: (method, data) => session.#peer.request(method, data),
      tell: (...news) => session.tell(...news),
      pathLost: () => session.pathLost(),
      transportLost: (reason) => session.transportLost(reason),
      mediaFailed: (kind, error) => session.mediaFailed(kind, error),
    })
    this.#idleTimer = setTimeout(() => this.#peer.close(), JOIN_WITHIN_MS)
  }

  tell(...news: HubNews): void {
    const [method, data] = news
    if (method === 'unplayable' && data.tracks.length > 0) {
      const codecs = data.tracks.map(({ mime_type }) => mime_type).join(', ')
      this.#peer.rejected('codec_not_supported', `a viewer can not receive ${codecs}`)
    }
    this.#peer.notify(...news)
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

  over(): void {
    this.#peer.closeSoon()
  }

  pathLost(): void {
    const id = this.#watching.viewer?.end.id
    if (id !== undefined) this.tell('path-lost', { transport_id: id })
  }

  transportLost(reason: string): void {
    // The page's word that it switched may come after the end of its first transport. If the page did not switch, the
    // move asks it to join again.
    if (this.#moves.switching) return
    this.disturbed()
    this.#watching.lost()
    this.tell('rejoin', { reason })
  }

  mediaFailed(kind: 'consume' | 'media', error: unknown): void {
    this.#events.error('signaling', kind, error)
  }

  disturbed(): void {
    this.#moves.end()
  }

  readonly #handlers: { [Method in keyof ViewerRequests]: (data: unknown) => Promise<unknown> } = {
    join: async (data) => {
      const { ticket, rtp_capabilities, view = {}, moves } = parseData(viewerRequests.join, data)
      const capabilities = rtp_capabilities as types.RtpCapabilities
      const receiver = { capabilities, signOfLife: BROWSER_CONSENT }
      return this.#inTurn(async (): Promise<JoinAnswer> => {
        const { viewer, streams, ice } = await this.#watching.join(ticket, view, () => receiver)
        if (moves) this.#movable ??= this.#mover?.add(this.#moves) ?? null
        return { transport: viewer.end.describe(), streams, ice }
      })
    },
    watch: async (data) => {
      const { ticket, view = {}, replaces } = parseData(viewerRequests.watch, data)
      return this.#inTurn(async () => {
        if (replaces === undefined) return this.#watching.watch(ticket, view)
        return this.#watching.renew(replaces, ticket)
      })
    },
    resume: async (data) => {
      const { transport_id, ticket, restart } = parseData(viewerRequests.resume, data)
      return this.#inTurn(async (): Promise<ResumeAnswer> => {
        if (this.#watching.all.length > 0)
          throw new CodedError('already_joined', 'this connection watches something already')
        const watching = this.#viewings.take(transport_id, ticket)
        this.#watching[Symbol.dispose]()
        this.#viewings.left(this.#watching)
        this.#watching = watching
        this.#holds(watching)
        if (this.#closed) {
          this.#viewings.vanished(watching)
          throw connectionGone()
        }
        const streams = watching.back(this)
        return { restarted: restart ? await this.#restartIce(transport_id, restart) : null, streams }
      })
    },
    'restart-ice': async (data) => {
      const { transport_id, reason } = parseData(viewerRequests['restart-ice'], data)
      return this.#restartIce(transport_id, reason)
    },
    unwatch: async (data) => {
      const { contract_id } = parseData(viewerRequests.unwatch, data)
      this.#direct.leave(contract_id)
      return this.#inTurn(async () => {
        this.#watching.forget(this.#watching.by(contract_id))
        if (this.#watching.all.length === 0 && !this.#closed)
          this.#idleTimer = setTimeout(() => this.#peer.close(), IDLE_MS)
        return {}
      })
    },
    'set-view': async (data) => {
      const { contract_id, ...view } = parseData(viewerRequests['set-view'], data)
      this.#watching.by(contract_id).setView(view)
      return {}
    },
    'direct-ask': async (data) => {
      const { contract_id } = parseData(viewerRequests['direct-ask'], data)
      return this.#direct.ask(this.#watching.by(contract_id))
    },
    'direct-offer': async (data) => {
      const { contract_id, sdp } = parseData(viewerRequests['direct-offer'], data)
      return this.#direct.offer(this.#watching.by(contract_id), sdp)
    },
    'direct-leave': async (data) => {
      this.#direct.leave(parseData(viewerRequests['direct-leave'], data).contract_id)
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
      const end = this.#watching.viewer?.end
      if (end?.id !== transport_id)
        throw new CodedError('unknown_transport', 'that transport is gone: join again')
      await end.connect(dtlsParameters)
      return {}
    },
    'request-keyframe': async (data) => {
      const { consumer_id } = parseData(viewerRequests['request-keyframe'], data)
      const { joined, all } = this.#watching
      const media = joined && all.find((watched) => watched.media?.has(consumer_id))?.media
      if (!media) throw new CodedError('unknown_consumer', 'there is no such consumer')
      await media.requestKeyframe(consumer_id)
      return {}
    },
    clock: async (data) => {
      parseData(viewerRequests.clock, data)
      return { hub_unix_ms: HUB_CLOCK.now() }
    },
  }

  /** @throws CodedError `unknown_transport` (404), `too_many_requests` (429) */
  async #restartIce(transportId: string, reason: RestartReason): Promise<RestartIceAnswer> {
    const end = this.#watching.viewer?.end
    if (end?.id !== transportId)
      throw new CodedError('unknown_transport', 'that transport is gone: join again')
    this.#restarts.take()
    // A move would need the path that is lost.
    this.disturbed()
    const answer = await end.restartIce()
    this.#events.iceRestarted(this.#watching.all[0]?.stream.spec ?? null, { of: 'viewer', reason })
    // The client allocates anew, and its credentials may be over.
    return { ...answer, ice_servers: this.#watching.ice().ice_servers }
  }

  #holds(watching: Watching): void {
    this.#viewings.held(watching, () => this.#release())
  }

  /** Another connection of the same client has taken over. */
  #release(): void {
    this.#closed = true
    clearTimeout(this.#idleTimer)
    this.#movable?.[Symbol.dispose]()
    this.disturbed()
    this.#peer.close()
  }

  /** Requests that change what is watched run one after the other: of two joins the second transport counts. */
  #inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    this.disturbed()
    this.#waiting++
    const done = Promise.all([this.#work, this.#moves.done]).then(work)
    this.#work = done
      .catch(() => {})
      .finally(() => {
        this.#waiting--
        if (this.#watching.all.length > 0) clearTimeout(this.#idleTimer)
      })
    return done
  }

  /** Each returns whether the notification made sense. */
  readonly #notified: { [Method in keyof typeof viewerNotifications]: (data: unknown) => boolean } = {
    report: (data) => {
      const report = viewerNotifications.report.safeParse(data).data
      const watched = this.#aboutBy(report?.contract_id)
      if (!report || !watched) return false
      this.#watching.viewer?.reported()
      if (report.path) for (const each of this.#watching.all) each.takes(report.path)
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
    const { all } = this.#watching
    return contractId === undefined ? all[0] : all.find((each) => each.contractId === contractId)
  }

  #close(vanished: boolean): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#idleTimer)
    this.#movable?.[Symbol.dispose]()
    // A viewer that comes back offers again.
    this.#direct[Symbol.dispose]()
    this.disturbed()
    // A viewer that vanished may come back with the same ticket. A viewer that left asks for another.
    if (vanished) return this.#viewings.vanished(this.#watching)
    this.#watching.leave()
    this.#viewings.left(this.#watching)
  }
}
