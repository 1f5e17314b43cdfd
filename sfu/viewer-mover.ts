import { considerMove, evensOut, NO_MOVES } from '../policy/worker-moves.ts'
import type { Place, Placement } from './placement.ts'
import type { WorkerSlot } from './worker-pool.ts'

const LOOK_EVERY_MS = 1_000
/** Who could not be moved is left alone for so long, ms. */
const NOT_AGAIN_MS = 300_000
/** Who was moved stays for so long at least, ms. */
const STAYS_MS = 120_000
/** Who has just joined its first worker has its picture to get, ms. */
const SETTLES_MS = 5_000

/** A viewer that says it can go on over another worker without a gap. */
export interface MovableViewer {
  /** Where it is, while it may be moved; null while it joins, leaves, goes short of bandwidth or has no media. */
  readonly movableFrom: WorkerSlot | null
  /** How many consumers it has. */
  readonly consumers: number
  /** Moves it to a place, which is its own from then on. Resolves with whether it did; never rejects. */
  moveTo(place: Place): Promise<boolean>
}

/** Viewers that were moved since the hub started. */
export interface MovedViewers {
  readonly here: number
  readonly away: number
}

export interface ViewerMoverOptions {
  readonly placement: Pick<Placement, 'loads' | 'takeOn' | 'consumersPerWorker'>
  /** A hub that is drained moves nobody. */
  readonly draining: () => boolean
  /** Steady, ms. */
  readonly now?: () => number
}

/** Moves running viewers, one at a time, from a worker that stays clearly busier than another one. */
export class ViewerMover implements Disposable {
  readonly #options: ViewerMoverOptions
  /** Each with the time before which it is left alone. The one that moved last stands last. */
  readonly #viewers = new Map<MovableViewer, number>()
  /** By the index of the worker. */
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

  /** May be moved from now on; dispose of what is returned to stop. */
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

  /** Moves a viewer where one is due; once a second by itself. Resolves when that is over. Never rejects. */
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
      // Whoever left meanwhile is not to come back.
      if (this.#viewers.delete(viewer))
        this.#viewers.set(viewer, this.#now() + (moved ? STAYS_MS : NOT_AGAIN_MS))
    } finally {
      this.#moving = false
    }
  }
}
