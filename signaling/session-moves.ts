import type { HubNotifications } from '../common/wire/viewer-protocol.ts'
import type { MediaEvents, StreamName } from '../sfu/media-events.ts'
import type { Place } from '../sfu/placement.ts'
import type { Receiver, Viewer, ViewerListener } from '../sfu/viewer.ts'
import type { MovableViewer } from '../sfu/viewer-mover.ts'
import type { WorkerSlot } from '../sfu/worker-pool.ts'
import { ViewerMove } from './viewer-move.ts'
import type { WatchedStream } from './watched-stream.ts'

/** Of what a viewer gets its other transport is taken to carry this much at first: nothing is to be smaller after a move. */
const START_MARGIN = 1.2

/** A viewer whose pictures came late has no room on its link for everything twice; so long after, it may have, ms. */
const AFTER_LATE_MS = 30_000

/** What a session has that can be moved. */
export interface Carried {
  readonly viewer: Viewer
  readonly receiver: Receiver
  /** One at least. */
  readonly watched: readonly WatchedStream[]
  readonly name: StreamName
}

/** The session that is moved. */
export interface MovedSession extends ViewerListener {
  /** Null while it joins, waits for a request, or has nothing. */
  readonly carried: Carried | null
  /** Whether this is still the transport that it has. */
  has(viewer: Viewer): boolean
  /** Goes on by this transport. */
  take(viewer: Viewer): void
  /** Has no transport any more, and lets go of the streams' media. */
  drop(): void
  request(method: string, data: unknown): Promise<unknown>
  notify<Method extends keyof HubNotifications>(method: Method, data: HubNotifications[Method]): void
  readonly events: Pick<MediaEvents, 'viewerMoved'>
}

/** Moves one session from worker to worker, one move at a time. */
export class SessionMoves implements MovableViewer {
  readonly #session: MovedSession
  #move: ViewerMove | null = null
  #done: Promise<unknown> = Promise.resolve()
  #lateAt = Number.NEGATIVE_INFINITY

  constructor(session: MovedSession) {
    this.#session = session
  }

  /** Resolves when the move that runs is over. Never rejects. */
  get done(): Promise<unknown> {
    return this.#done
  }

  /** The move that has this transport, which the page is to connect. */
  of(transportId: string): ViewerMove | null {
    return this.#move?.transportId === transportId ? this.#move : null
  }

  /** The page was told to switch, and has not answered yet: it lets go of the transport of before. */
  get switching(): boolean {
    return this.#move?.switching ?? false
  }

  /** Ends the move that runs, unless the page was told to switch. */
  end(): void {
    this.#move?.end('something changed meanwhile')
  }

  /** The page reports that pictures come late: it is not moved now, and a move that runs ends. */
  late(): void {
    this.#lateAt = performance.now()
    this.#move?.end('pictures came late')
  }

  get consumers(): number {
    const watched = this.#session.carried?.watched ?? []
    return watched.reduce((sum, { consumers }) => sum + consumers, 0)
  }

  get movableFrom(): WorkerSlot | null {
    if (performance.now() - this.#lateAt < AFTER_LATE_MS) return null
    const viewer = this.#move ? undefined : this.#session.carried?.viewer
    // Both transports send for a moment: not over a link that is short of bandwidth as it is.
    return viewer && viewer.goalKbps === null ? viewer.slot : null
  }

  moveTo(place: Place): Promise<boolean> {
    const { carried } = this.#session
    if (carried && this.movableFrom !== null) {
      const moving = this.#moveTo(place, carried)
      this.#done = moving
      return moving
    }
    place[Symbol.dispose]()
    return Promise.resolve(false)
  }

  async #moveTo(place: Place, { viewer: before, receiver, watched, name }: Carried): Promise<boolean> {
    const session = this.#session
    const move = new ViewerMove({
      watched,
      request: (method: string, data: unknown) => session.request(method, data),
      transportLost: (reason) => session.transportLost(reason),
      mediaFailed: (error) => session.mediaFailed(error),
      moved: (moved) => session.events.viewerMoved(name, { from: before.slot.index, ...moved }),
    })
    this.#move = move
    const startKbps = Math.max(before.videoKbps * START_MARGIN, watched[0]!.abr.start_kbps)
    const outcome = await move.run(place, startKbps, receiver)
    this.#move = null
    if (outcome.kind === 'moved' && session.has(before)) {
      session.take(outcome.viewer)
      before[Symbol.dispose]()
      return true
    }
    if (outcome.kind === 'moved') {
      // The transport of before was lost at the last moment: the page was asked to join anew.
      outcome.viewer[Symbol.dispose]()
      for (const each of watched) each.lostTransport()
    } else if (outcome.kind === 'broken' && session.has(before)) {
      session.drop()
      session.notify('rejoin', { reason: 'move_failed' })
    } else if (session.has(before) && move.transportId !== null)
      session.notify('move-ended', { transport_id: move.transportId })
    return false
  }
}
