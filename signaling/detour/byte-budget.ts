import { TokenBucket } from '../../common/token-bucket.ts'

/**
 * Says how long to stop reading so that no more than a rate arrives, `burst` bytes at once. What was read is taken all
 * the same, so the budget may be overdrawn by one message. Callers give the time, in ms of any steady clock.
 */
export class ByteBudget {
  readonly #bucket: TokenBucket

  constructor(kbps: number, burst: number, nowMs: number) {
    // kb/s are bits in a millisecond.
    this.#bucket = new TokenBucket(kbps / 8, burst, nowMs)
  }

  /** Takes bytes that were read. @returns how long to read nothing more, ms; 0 while there is budget */
  take(bytes: number, nowMs: number): number {
    return this.#bucket.overdraw(bytes, nowMs)
  }
}
