/** How far a reporter's clock may be off, either way, ms. Field devices without a battery are often off by some. */
export const MAX_SKEW_MS = 5000
/** A reporter that has no report for this long begins anew, ms; also how long the smallest delay seen counts. */
const WINDOW_MS = 60_000
/** Reporters remembered at most; beyond, the longest silent one is forgotten. */
const MAX_REPORTERS = 50_000

interface Seen {
  /** Smallest `received - at` in this window and in the one before, ms. */
  least: number
  leastBefore: number
  windowFrom: number
}

/**
 * Brings reporters' clocks to the hub's: the smallest delay ever seen between a report's time and its arrival is taken
 * for the difference of the clocks. So reports about one link from both of its ends can be put in order, and a report
 * that is late is still told from one whose clock is behind.
 */
export class ClockSkew {
  readonly #seen = new Map<string, Seen>()

  get size(): number {
    return this.#seen.size
  }

  /**
   * @param reporter who tells
   * @param at when, by its own clock
   * @returns the time by the hub's clock, never after `receivedAt`
   */
  corrected(reporter: string, at: number, receivedAt: number): number {
    const delay = Math.max(-MAX_SKEW_MS, Math.min(MAX_SKEW_MS, receivedAt - at))
    let seen = this.#seen.get(reporter)
    if (!seen || receivedAt - seen.windowFrom > 2 * WINDOW_MS) {
      this.#seen.delete(reporter)
      this.#makeRoom()
      seen = { least: delay, leastBefore: delay, windowFrom: receivedAt }
      this.#seen.set(reporter, seen)
    } else if (receivedAt - seen.windowFrom > WINDOW_MS) {
      seen.leastBefore = seen.least
      seen.least = delay
      seen.windowFrom = receivedAt
      // Moves it behind all others: the first of the map has been silent longest.
      this.#seen.delete(reporter)
      this.#seen.set(reporter, seen)
    }
    seen.least = Math.min(seen.least, delay)
    return Math.min(receivedAt, at + Math.min(seen.least, seen.leastBefore))
  }

  #makeRoom(): void {
    if (this.#seen.size < MAX_REPORTERS) return
    const [first] = this.#seen.keys()
    if (first !== undefined) this.#seen.delete(first)
  }
}
