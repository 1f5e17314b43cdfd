/** A peer that says nothing for so long is asked for a sign, ms; asked again as often, whatever the round trip is. */
const ASK_AFTER_MS = 400
/** A peer that gives no sign for so long is not heard, ms. With the time to tell it that is within a second. */
const SILENT_AFTER_MS = 900

export interface SilenceWatchOptions {
  /** Asks the peer for a sign of life. */
  readonly ask: () => void
  /** The peer is silent, or heard again. A peer is heard at first. */
  readonly told: (heard: boolean) => void
}

/**
 * Notices within a second that nobody is at the other end any more. TCP tells it after minutes where packets vanish.
 */
export class SilenceWatch implements Disposable {
  readonly #options: SilenceWatchOptions
  #signAt = performance.now()
  #askedAt = performance.now()
  #heard = true
  #over = false
  #timer: NodeJS.Timeout

  constructor(options: SilenceWatchOptions) {
    this.#options = options
    this.#timer = this.#wait()
  }

  /** Something came from the peer. */
  sign(): void {
    this.#signAt = performance.now()
    if (!this.#heard) this.#change(true)
  }

  [Symbol.dispose](): void {
    this.#over = true
    clearTimeout(this.#timer)
  }

  #wait(): NodeJS.Timeout {
    const next = Math.max(this.#signAt, this.#askedAt) + ASK_AFTER_MS
    const silent = this.#heard ? this.#signAt + SILENT_AFTER_MS : next
    const waitMs = Math.max(0, Math.min(next, silent) - performance.now())
    // Timers come before input in a turn of the event loop: what has arrived is heard before the peer is judged.
    return setTimeout(() => setImmediate(() => this.#look()), waitMs)
  }

  #look(): void {
    if (this.#over) return
    const now = performance.now()
    if (this.#heard && now - this.#signAt >= SILENT_AFTER_MS) this.#change(false)
    if (now - Math.max(this.#signAt, this.#askedAt) >= ASK_AFTER_MS) {
      this.#askedAt = now
      this.#options.ask()
    }
    clearTimeout(this.#timer)
    this.#timer = this.#wait()
  }

  #change(heard: boolean): void {
    this.#heard = heard
    this.#options.told(heard)
  }
}
