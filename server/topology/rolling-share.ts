/** Counts good and bad events over a sliding time, in buckets. The oldest bucket falls out of the window as a whole. */
export class RollingShare {
  readonly #bucketMs: number
  readonly #good: Uint32Array
  readonly #bad: Uint32Array
  /** Number of the newest bucket since 1970. */
  #newest = Number.NEGATIVE_INFINITY

  constructor(windowMs: number, buckets: number) {
    this.#bucketMs = windowMs / buckets
    this.#good = new Uint32Array(buckets)
    this.#bad = new Uint32Array(buckets)
  }

  /** @param at Unix ms; an event outside the window or newer than every `nowMs` goes to its bucket or is left out */
  add(bad: boolean, at: number): void {
    const bucket = Math.floor(at / this.#bucketMs)
    this.#advance(bucket)
    if (bucket <= this.#newest - this.#good.length) return
    const counts = bad ? this.#bad : this.#good
    const slot = bucket % counts.length
    counts[slot] = counts[slot]! + 1
  }

  /** Number of events, and the share of bad events, 0 to 1. */
  read(nowMs: number): { readonly count: number; readonly bad: number; readonly badShare: number } {
    this.#advance(Math.floor(nowMs / this.#bucketMs))
    let [good, bad] = [0, 0]
    for (let slot = 0; slot < this.#good.length; slot += 1) {
      good += this.#good[slot]!
      bad += this.#bad[slot]!
    }
    const count = good + bad
    return { count, bad, badShare: count === 0 ? 0 : bad / count }
  }

  #advance(bucket: number): void {
    const { length } = this.#good
    const from = Math.max(this.#newest + 1, bucket - length + 1)
    for (let each = from; each <= bucket; each += 1) {
      this.#good[each % length] = 0
      this.#bad[each % length] = 0
    }
    this.#newest = Math.max(this.#newest, bucket)
  }
}
