/** How far a reporter's clock may be off either way, ms. Field devices without a battery are often off. */
export const MAX_SKEW_MS = 5000
/** A reporter without a report for this long starts anew, ms. The smallest delay counts as long. */
const WINDOW_MS = 60_000
/** Most reporters remembered. Beyond that the longest silent reporter is forgotten. */
const MAX_REPORTERS = 50_000

interface Seen {
  /** Smallest `received - at` in this window and in the previous one, ms. */
  least: number
  leastBefore: number
  windowFrom: number
}

/**
 * Corrects reporters' clocks to the hub's clock: the smallest delay between a report's time and its arrival is taken
 * for the difference of the clocks. So reports from both ends of a link can be put in order, and a late report can be
 * told from a report with a slow clock.
 */
export class ClockSkew {
  readonly #seen = new Map<string, Seen>()

  get size(): number {
    return this.#seen.size
  }

  /**
   * @param reporter the sender of the report
   * @param at time by the reporter's own clock
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
      // Moves the reporter to the end: the first of the map has been silent longest.
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
