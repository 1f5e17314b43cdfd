/** A source that knocked and was no sender is not answered for this long, ms. */
const UNANSWERED_MS = 30_000
/** A source that knocks within this time after a process ended without a sender may have knocked while it ran, ms. */
const LEARN_MS = 1000
/** But that source may also be the real sender, just starting: after this time it need not wait longer, ms. */
const DOUBTED_MS = 2000
/** Knocks answered at once, and one more every `REFILL_MS`: source addresses can be made up. */
const MOST = 8
const REFILL_MS = 30_000
/** Most sources remembered. */
const MAX_SOURCES = 256

/**
 * Decides which knocks at a stream's ports start its ingress process, so that only the stream's sender can keep a
 * process running. A sender that was corrected and restarted comes from another port, and is answered at once. Pure:
 * callers give the time, in ms of a monotonic clock.
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

  /** @param source address and port of the knock */
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

  /** The process that the last answered knock started has ended, and no sender had proved itself. */
  cameToNothing(nowMs: number): void {
    if (this.#answered !== null) this.#leave(this.#answered, nowMs + UNANSWERED_MS)
    this.#answered = null
    this.#learnUntil = nowMs + LEARN_MS
  }

  /** The source that knocked was the sender. */
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
