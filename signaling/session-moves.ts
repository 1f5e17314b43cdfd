import type { MediaEvents } from '../sfu/media-events.ts'
import type { Place } from '../sfu/placement.ts'
import type { ViewingClient } from '../sfu/viewed-media.ts'
import type { ViewerListener } from '../sfu/viewer.ts'
import type { MovableViewer } from '../sfu/viewer-mover.ts'
import type { WorkerSlot } from '../sfu/worker-pool.ts'
import { ViewerMove } from './viewer-move.ts'
import type { Watching } from './watching.ts'

/** A new transport's estimate starts this much above what the viewer gets, so that no picture is smaller after a move. */
const START_MARGIN = 1.2

/** A viewer whose pictures came late has no room on its link for everything twice, for this long, ms. */
const AFTER_LATE_MS = 30_000

/** The session that is moved. */
export interface MovedSession extends ViewerListener {
  readonly watching: Watching
  /** The session joins, or one of its requests is under way. */
  readonly busy: boolean
  request(method: string, data: unknown): Promise<unknown>
  readonly tell: ViewingClient['tell']
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

  /** Resolves when the running move is over. Never rejects. */
  get done(): Promise<unknown> {
    return this.#done
  }

  /** The move with this transport, which the page is about to connect. */
  of(transportId: string): ViewerMove | null {
    return this.#move?.transportId === transportId ? this.#move : null
  }

  /** The page was told to switch and has not answered yet: it is closing the first transport. */
  get switching(): boolean {
    return this.#move?.switching ?? false
  }

  /** Ends the running move, unless the page was told to switch. */
  end(): void {
    this.#move?.end('something changed meanwhile')
  }

  /** The page reports that pictures come late: it is not moved now, and a running move ends. */
  late(): void {
    this.#lateAt = performance.now()
    this.#move?.end('pictures came late')
  }

  get consumers(): number {
    return this.#session.watching.all.reduce((sum, { media }) => sum + (media?.consumers.length ?? 0), 0)
  }

  get movableFrom(): WorkerSlot | null {
    if (performance.now() - this.#lateAt < AFTER_LATE_MS) return null
    const { busy, watching } = this.#session
    if (this.#move || busy || watching.all.length === 0) return null
    // Both transports send for a moment: not over a link that is already short of bandwidth.
    return watching.viewer?.goalKbps === null ? watching.viewer.slot : null
  }

  moveTo(place: Place): Promise<boolean> {
    if (this.movableFrom !== null) {
      const moving = this.#moveTo(place)
      this.#done = moving
      return moving
    }
    place[Symbol.dispose]()
    return Promise.resolve(false)
  }

  async #moveTo(place: Place): Promise<boolean> {
    const session = this.#session
    const { watching } = session
    const { viewer: before, receiver } = watching.joined
    const watched = watching.all
    const name = watched[0]!.stream.spec
    const move = new ViewerMove({
      watched,
      ice: () => watching.ice(),
      request: (method: string, data: unknown) => session.request(method, data),
      pathLost: () => session.pathLost?.(),
      transportLost: (reason) => session.transportLost(reason),
      mediaFailed: (kind, error) => session.mediaFailed(kind, error),
      moved: (moved) => session.events.viewerMoved(name, { from: before.slot.index, ...moved }),
    })
    this.#move = move
    const startKbps = Math.max(before.videoKbps * START_MARGIN, watched[0]!.abr.start_kbps)
    const outcome = await move.run(place, startKbps, receiver)
    this.#move = null
    if (outcome.kind === 'moved' && watching.viewer === before) {
      watching.take(outcome.viewer)
      before[Symbol.dispose]()
      return true
    }
    if (outcome.kind === 'moved') {
      // The first transport was lost at the last moment: the page was asked to join again.
      outcome.viewer[Symbol.dispose]()
      for (const each of watched) each.lostTransport()
    } else if (outcome.kind === 'broken' && watching.viewer === before) {
      watching.drop()
      session.tell('rejoin', { reason: 'move_failed' })
    } else if (watching.viewer === before && move.transportId !== null)
      session.tell('move-ended', { transport_id: move.transportId })
    return false
  }
}
