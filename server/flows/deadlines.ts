import { SYSTEM_CLOCK } from '../../common/clock.ts'

/** How often to look at the clock, ms: timers can't wait more than some weeks, and a test's clock goes by itself. */
const LOOK_EVERY_MS = 1000

/** Deadlines are rounded to this, ms, so that thousands of them fire in batches. */
const GRAIN_MS = 100

/**
 * Many deadlines on one timer: calls `onDue` with each key when its time has come. Setting a key again replaces its
 * deadline. The cost of a change does not depend on the number of deadlines.
 */
export class Deadlines implements Disposable {
  readonly #due = new Map<string, number>()
  /** Keys by their deadline. */
  readonly #batches = new Map<number, Set<string>>()
  readonly #onDue: (key: string) => void
  readonly #now: () => number
  /** No key is due before this time. The key that was due then may be gone. */
  #next = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** @param now the steady clock, unix ms, so that setting the machine's clock shortens no life */
  constructor(onDue: (key: string) => void, now: () => number = SYSTEM_CLOCK.steady) {
    this.#onDue = onDue
    this.#now = now
  }

  /** @param due by the steady clock, unix ms; a time in the past is due on the next turn */
  set(key: string, due: number): void {
    this.delete(key)
    const at = Math.ceil(due / GRAIN_MS) * GRAIN_MS
    this.#due.set(key, at)
    const batch = this.#batches.get(at)
    if (batch) batch.add(key)
    else this.#batches.set(at, new Set([key]))
    if (at < this.#next) this.#arm(at)
  }

  delete(key: string): void {
    const at = this.#due.get(key)
    if (at === undefined) return
    this.#due.delete(key)
    const batch = this.#batches.get(at)
    batch?.delete(key)
    if (batch?.size === 0) this.#batches.delete(at)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#due.clear()
    this.#batches.clear()
  }

  #arm(at: number): void {
    clearTimeout(this.#timer)
    this.#next = at
    if (at === Number.POSITIVE_INFINITY) return
    const wait = Math.min(LOOK_EVERY_MS, Math.max(0, at - this.#now()))
    this.#timer = setTimeout(() => this.#look(), wait)
  }

  #look(): void {
    const now = this.#now()
    if (now < this.#next) return this.#arm(this.#next)
    const times = Array.from(this.#batches.keys()).sort((one, other) => one - other)
    const keys = times.filter((at) => at <= now).flatMap((at) => Array.from(this.#batches.get(at) ?? []))
    for (const key of keys) this.delete(key)
    this.#arm(times.find((at) => at > now) ?? Number.POSITIVE_INFINITY)
    for (const key of keys) this.#onDue(key)
  }
}
