/** Node's timers hold at most 2^31-1 ms. */
const LONGEST_WAIT_MS = 2 ** 31 - 1

/** Deadlines are held to this grain, ms, so that thousands of them fire in batches. */
const GRAIN_MS = 100

/**
 * Many deadlines on one timer: `onDue` is called with each key when its time has come. Keys are replaced by setting
 * them again; the cost of a change is linear only when the next deadline itself goes away.
 */
export class Deadlines implements Disposable {
  readonly #due = new Map<string, number>()
  readonly #onDue: (key: string) => void
  readonly #now: () => number
  #next = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** `now` in unix ms. */
  constructor(onDue: (key: string) => void, now: () => number = Date.now) {
    this.#onDue = onDue
    this.#now = now
  }

  /** `due` in unix ms; one in the past is due on the next turn. */
  set(key: string, due: number): void {
    const at = Math.ceil(due / GRAIN_MS) * GRAIN_MS
    const wasNext = this.#due.get(key) === this.#next
    this.#due.set(key, at)
    if (at < this.#next) this.#arm(at)
    else if (wasNext) this.#rearm()
  }

  delete(key: string): void {
    const at = this.#due.get(key)
    this.#due.delete(key)
    if (at === this.#next) this.#rearm()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#due.clear()
  }

  #rearm(): void {
    let next = Number.POSITIVE_INFINITY
    for (const at of this.#due.values()) if (at < next) next = at
    this.#arm(next)
  }

  #arm(at: number): void {
    clearTimeout(this.#timer)
    this.#next = at
    if (at === Number.POSITIVE_INFINITY) return
    const wait = Math.min(LONGEST_WAIT_MS, Math.max(0, at - this.#now()))
    this.#timer = setTimeout(() => this.#fire(), wait)
  }

  #fire(): void {
    const now = this.#now()
    const due = Array.from(this.#due).filter(([, at]) => at <= now)
    for (const [key] of due) this.#due.delete(key)
    this.#rearm()
    for (const [key] of due) this.#onDue(key)
  }
}
