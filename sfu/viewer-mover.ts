import { considerMove, evensOut, NO_MOVES } from '../policy/worker-moves.ts'
import type { Place, Placement } from './placement.ts'
import type { WorkerSlot } from './worker-pool.ts'

const LOOK_EVERY_MS = 1_000
/** A viewer that could not be moved is left alone for this long, ms. */
const NOT_AGAIN_MS = 300_000
/** A moved viewer stays for at least this long, ms. */
const STAYS_MS = 120_000
/** A viewer that has just joined its first worker must first get its picture, ms. */
const SETTLES_MS = 5_000

/** A viewer that says that it can go on over another worker without a gap. */
export interface MovableViewer {
  /** Its worker while it may be moved; null while it joins, leaves, goes short of bandwidth or has no media. */
  readonly movableFrom: WorkerSlot | null
  /** Number of the viewer's consumers. */
  readonly consumers: number
  /** Moves the viewer to a place, which is the viewer's from then on. Resolves with whether it moved; never rejects. */
  moveTo(place: Place): Promise<boolean>
}

/** Viewers that were moved since the hub started. */
export interface MovedViewers {
  readonly here: number
  readonly away: number
}

export interface ViewerMoverOptions {
  readonly placement: Pick<Placement, 'loads' | 'takeOn' | 'consumersPerWorker'>
  /** A draining hub moves nobody. */
  readonly draining: () => boolean
  /** Steady, ms. */
  readonly now?: () => number
}

/** Moves running viewers, one at a time, from a worker that stays clearly busier than another. */
export class ViewerMover implements Disposable {
  readonly #options: ViewerMoverOptions
  /** Each viewer with the time before which it is left alone. The viewer that moved last is at the end. */
  readonly #viewers = new Map<MovableViewer, number>()
  /** By the worker's index. */
  readonly #moved = new Map<number, MovedViewers>()
  readonly #now: () => number
  readonly #timer: NodeJS.Timeout
  #memory = NO_MOVES
  #moving = false

  constructor(options: ViewerMoverOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref()
  }

  /** From now on the viewer may be moved. Dispose of the returned object to stop. */
  add(viewer: MovableViewer): Disposable {
    this.#viewers.set(viewer, this.#now() + SETTLES_MS)
    return { [Symbol.dispose]: () => this.#viewers.delete(viewer) }
  }

  /** Viewers that were moved to a worker, and away from it. */
  movedOf(index: number): MovedViewers {
    return this.#moved.get(index) ?? { here: 0, away: 0 }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  /** Moves a viewer if a move is due; runs once a second by itself. Resolves when the move is over. Never rejects. */
  async look(): Promise<void> {
    if (this.#moving || this.#viewers.size === 0 || this.#options.draining()) return
    const now = this.#now()
    const { placement } = this.#options
    const loads = placement.loads()
    const { move, memory } = considerMove(this.#memory, loads, now)
    if (move === null) {
      this.#memory = memory
      return
    }
    const loadOf = (index: number) => loads.find((each) => each.index === index)?.load ?? 0
    for (const [viewer, notBefore] of this.#viewers) {
      if (now < notBefore || viewer.movableFrom?.index !== move.from) continue
      const share = viewer.consumers / placement.consumersPerWorker
      if (!evensOut(loadOf(move.from), loadOf(move.to), share)) continue
      const place = placement.takeOn(move.to)
      if (!place) return
      this.#memory = memory
      await this.#move(viewer, move, place)
      return
    }
  }

  async #move(
    viewer: MovableViewer,
    { from, to }: { readonly from: number; readonly to: number },
    place: Place,
  ): Promise<void> {
    this.#moving = true
    try {
      const moved = await viewer.moveTo(place)
      if (moved) {
        this.#moved.set(from, { ...this.movedOf(from), away: this.movedOf(from).away + 1 })
        this.#moved.set(to, { ...this.movedOf(to), here: this.movedOf(to).here + 1 })
      }
      // A viewer that left meanwhile must not come back.
      if (this.#viewers.delete(viewer))
        this.#viewers.set(viewer, this.#now() + (moved ? STAYS_MS : NOT_AGAIN_MS))
    } finally {
      this.#moving = false
    }
  }
}
