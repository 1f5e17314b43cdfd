/** How long a flow may exceed its rate, ms: a keyframe is a burst. */
const BURST_MS = 500

/** A ceiling of bytes. What exceeds it is dropped, as on a full link. */
export class RateBucket {
  readonly #perMs: number
  readonly #most: number
  #left: number
  #at: number

  /** @param kbps kb/s; null for no ceiling */
  constructor(kbps: number | null, nowMs: number) {
    this.#perMs = kbps === null ? Number.POSITIVE_INFINITY : kbps / 8
    this.#most = this.#perMs * BURST_MS
    this.#left = this.#most
    this.#at = nowMs
  }

  /** Whether so many bytes may pass now; then they count. */
  take(bytes: number, nowMs: number): boolean {
    if (this.#perMs === Number.POSITIVE_INFINITY) return true
    if (nowMs > this.#at) {
      this.#left = Math.min(this.#most, this.#left + (nowMs - this.#at) * this.#perMs)
      this.#at = nowMs
    }
    if (this.#left < bytes) return false
    this.#left -= bytes
    return true
  }
}

/** A ceiling of each direction. */
export class Ceilings {
  readonly toPeers: RateBucket
  readonly toClient: RateBucket

  /** @param kbps kb/s; null for no ceiling */
  constructor(kbps: number | null, nowMs: number) {
    this.toPeers = new RateBucket(kbps, nowMs)
    this.toClient = new RateBucket(kbps, nowMs)
  }
}
