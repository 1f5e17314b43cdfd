/** Turns running totals into rates over the time between two readings. */
export class RateMeter {
  #lastMs = -1
  #lastBytes = 0
  #lastUnits = 0
  #kbps = 0
  #perSecond = 0

  /** Readings closer together than 200 ms repeat the last rates. */
  read(nowMs: number, bytes: number, units: number): { kbps: number; perSecond: number } {
    const elapsed = nowMs - this.#lastMs
    if (this.#lastMs < 0 || elapsed < 0 || elapsed >= 200) {
      if (this.#lastMs >= 0 && elapsed > 0) {
        this.#kbps = ((bytes - this.#lastBytes) * 8) / elapsed
        this.#perSecond = ((units - this.#lastUnits) * 1000) / elapsed
      }
      this.#lastMs = nowMs
      this.#lastBytes = bytes
      this.#lastUnits = units
    }
    return { kbps: this.#kbps, perSecond: this.#perSecond }
  }
}
