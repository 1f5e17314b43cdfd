/** Arrivals closer together than this belong together, ms. */
const TOGETHER_MS = 3
/** A longer time between two arrivals is a pause, ms. Slow pictures make pauses, and outages do. */
const PAUSE_MS = 250
/** Arrivals without a pause for this long, and this many, are no evenly sent slow pictures, ms. */
const STEADY_MS = 200
const STEADY_ARRIVALS = 10
/** After this long without a pause, pauses are forgotten, ms. */
const FORGET_AFTER_MS = 2000
const PAUSES = 4
/** Silence is a loss after this many of the stream's own pauses. */
const PATIENCE_PAUSES = 3
/** Patience with an unknown stream, and the most patience there is, ms. */
const UNKNOWN_MS = 6000
const MOST_MS = 30_000

/**
 * Learns the rhythm at which something arrives, and from that how long it may stay away, so that one picture a second
 * is no outage each second. Two pauses make a rhythm; one may be an outage. Pure: callers give the time, in ms of any
 * monotonic clock.
 */
export class Cadence {
  readonly #pauses: number[] = []
  #lastAt = Number.NEGATIVE_INFINITY
  #steadySince = 0
  #arrivals = 0

  arrived(nowMs: number): void {
    const gap = nowMs - this.#lastAt
    this.#lastAt = nowMs
    if (gap < TOGETHER_MS) return
    if (gap < PAUSE_MS) {
      this.#arrivals += 1
      if (nowMs - this.#steadySince >= FORGET_AFTER_MS) this.#pauses.length = 0
      return
    }
    this.#steadySince = nowMs
    this.#arrivals = 0
    if (!Number.isFinite(gap)) return
    if (this.#pauses.length === PAUSES) this.#pauses.shift()
    this.#pauses.push(gap)
  }

  /** How long nothing has arrived, ms; infinite before the first arrival. */
  silentMs(nowMs: number): number {
    return nowMs - this.#lastAt
  }

  /** The pause that this stream makes again and again, ms; 0 for a stream without pauses. */
  get pauseMs(): number {
    return this.#pauses.toSorted((a, b) => b - a)[1] ?? 0
  }

  /** How long silence means nothing, ms. @param leastMs for a stream without pauses */
  patienceMs(leastMs: number): number {
    const { pauseMs } = this
    if (pauseMs > 0) return Math.min(MOST_MS, Math.max(leastMs, PATIENCE_PAUSES * pauseMs))
    const steady = this.#lastAt - this.#steadySince >= STEADY_MS && this.#arrivals >= STEADY_ARRIVALS
    return steady ? leastMs : Math.max(leastMs, UNKNOWN_MS)
  }
}
