import { TokenBucket } from '../common/token-bucket.ts'

/** `perSecond` requests on average, `burst` at once. Callers give the time, in ms of any steady clock. */
export class RequestBudget {
  readonly #bucket: TokenBucket

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#bucket = new TokenBucket(perSecond / 1000, burst, nowMs)
  }

  /** Takes one request; false when none is left. */
  take(nowMs: number): boolean {
    return this.#bucket.take(1, nowMs)
  }
}
