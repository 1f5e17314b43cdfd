/** A source whose knock came to nothing is not answered for so long, ms. */
const UNANSWERED_MS = 30_000
/** Who knocks within this time after a process ended for want of a sender may have been knocking while it ran, ms. */
const LEARN_MS = 1000
/** The same source may be the sender, which began just then: after that time it waits no longer than this, ms. */
const DOUBTED_MS = 2000
/** Knocks answered at once, and one more every `REFILL_MS`: sources can be made up. */
const MOST = 8
const REFILL_MS = 30_000
/** Sources remembered. */
const MAX_SOURCES = 256

/**
 * Which knocks at a stream's ports are answered by starting its ingress process, so that nobody but its sender can keep
 * one running. A sender that was mended and restarted comes from another port, and is answered at once. Pure: time is
 * given in, in ms of a monotonic clock.
 */
export class KnockGate {
  readonly #unanswered = new Map<string, number>()
  #answers = MOST
  #refilledAt: number
  #learnUntil = Number.NEGATIVE_INFINITY
  #answered: string | null = null

  constructor(nowMs: number) {
    this.#refilledAt = nowMs
  }

  /** @param source names address and port that a knock came from */
  answers(source: string, nowMs: number): boolean {
    if (nowMs < (this.#unanswered.get(source) ?? Number.NEGATIVE_INFINITY)) return false
    if (nowMs < this.#learnUntil) {
      this.#leave(source, this.#learnUntil + DOUBTED_MS)
      return false
    }
    const refills = Math.floor((nowMs - this.#refilledAt) / REFILL_MS)
    this.#refilledAt += refills * REFILL_MS
    this.#answers = Math.min(MOST, this.#answers + refills)
    if (this.#answers < 1) return false
    this.#answers -= 1
    this.#answered = source
    return true
  }

  /** The process that the last answered knock started ended, and nobody had proved to be the sender. */
  cameToNothing(nowMs: number): void {
    if (this.#answered !== null) this.#leave(this.#answered, nowMs + UNANSWERED_MS)
    this.#answered = null
    this.#learnUntil = nowMs + LEARN_MS
  }

  /** Whoever knocked was the sender. */
  proved(): void {
    this.#unanswered.clear()
    this.#answers = MOST
    this.#answered = null
  }

  #leave(source: string, untilMs: number): void {
    this.#unanswered.delete(source)
    const oldest = this.#unanswered.keys().next().value
    if (this.#unanswered.size >= MAX_SOURCES && oldest !== undefined) this.#unanswered.delete(oldest)
    this.#unanswered.set(source, untilMs)
  }
}
