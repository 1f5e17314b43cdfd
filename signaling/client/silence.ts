/** Without a byte for this long although media should come, the path is taken for lost, ms. */
export const SILENT_MS = 1_000
/** From this share of that time on the path is suspected. */
const SUSPECTED_FROM = 0.5
/** A source with pauses counts as silent after this many of its usual pauses. */
const PAUSES = 4
/** Longest silence that counts as a usual pause, ms. */
const LONGEST_PAUSE_MS = 6_000

/**
 * Decides whether a path is silent, from a counter that grows while anything arrives. It learns how long the pauses of
 * the counter are: a publisher without video hears a report every few seconds only.
 */
export class Silence {
  #bytes: number | null = null
  #grownAt: number
  #usualMs = 0

  /** @param at the beginning, by a steady clock, ms */
  constructor(at: number) {
    this.#grownAt = at
  }

  /** Something came at this moment, or nothing was expected until then. @param at by a steady clock, ms */
  reset(at: number): void {
    this.#bytes = null
    this.#grownAt = at
  }

  /**
   * Takes the next reading. @param at by a steady clock, ms
   * @returns what the reading says of the path
   */
  add(bytes: number, at: number): 'heard' | 'suspected' | 'silent' {
    if (this.#bytes === null || bytes < this.#bytes) {
      this.#bytes = bytes
      return 'heard'
    }
    const quietMs = at - this.#grownAt
    if (bytes > this.#bytes) {
      // A pause that was taken for a lost path, and was none, is a usual pause from now on.
      if (quietMs < LONGEST_PAUSE_MS) this.#usualMs = Math.max(quietMs, this.#usualMs * 0.9)
      this.#bytes = bytes
      this.#grownAt = at
      return 'heard'
    }
    const silentMs = Math.max(SILENT_MS, this.#usualMs * PAUSES)
    if (quietMs < silentMs * SUSPECTED_FROM) return 'heard'
    return quietMs < silentMs ? 'suspected' : 'silent'
  }
}
