import { TokenBucket } from '../common/token-bucket.ts'

/** How long a flow may exceed its rate, ms: a keyframe is a burst. */
const BURST_MS = 500

/** A ceiling of bytes. What exceeds it is dropped, as on a full link. */
export class RateBucket {
  /** null for no ceiling. */
  readonly #bucket: TokenBucket | null

  /** @param kbps kb/s; null for no ceiling */
  constructor(kbps: number | null, nowMs: number) {
    this.#bucket = kbps === null ? null : new TokenBucket(kbps / 8, (kbps / 8) * BURST_MS, nowMs)
  }

  /** Whether so many bytes may pass now; then they count. */
  take(bytes: number, nowMs: number): boolean {
    return this.#bucket?.take(bytes, nowMs) ?? true
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
