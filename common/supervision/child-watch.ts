import { Patience } from './patience.ts'
import { sampleOf } from './thread-sample.ts'

/** How often silent children are looked at, ms. */
const LOOK_EVERY_MS = 250

/** A child that is watched until this is disposed of. */
export interface WatchedChild extends Disposable {
  /** The child gave a sign of life. @param limitMs how much silence is allowed from now on */
  spoke(limitMs?: number): void
  /** Silence so far by the child's own fault, ms. */
  readonly silentMs: number
}

interface Watched {
  readonly pid: number
  readonly patience: Patience
  readonly onHung: () => void
}

/**
 * Watches children that speak regularly, and reports those that hang: stopped, looping or deadlocked. A child that is
 * slow, because the machine is busy or because its listener stood still, is left alone (see {@link Patience}).
 */
export class ChildWatch implements Disposable {
  readonly #children = new Set<Watched>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    // Timers come before input in a turn of the event loop: waiting input is heard before any child is judged.
    this.#timer = setInterval(() => setImmediate(() => this.#look()), LOOK_EVERY_MS).unref()
  }

  /**
   * @param limitMs how much silence of its own is allowed, until `spoke` says otherwise
   * @param onHung called at each look while the child hangs
   */
  watch(pid: number, limitMs: number, onHung: () => void): WatchedChild {
    const patience = new Patience(limitMs, LOOK_EVERY_MS, performance.now())
    const child = { pid, patience, onHung }
    this.#children.add(child)
    return {
      spoke: (limit) => patience.spoke(limit),
      get silentMs() {
        return patience.silentMs
      },
      [Symbol.dispose]: () => void this.#children.delete(child),
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#children.clear()
  }

  #look(): void {
    const now = performance.now()
    for (const { pid, patience, onHung } of this.#children)
      if (patience.look(now, () => sampleOf(pid))) onHung()
  }
}
