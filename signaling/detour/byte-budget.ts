/**
 * Says how long to stop reading so that no more than a rate arrives, `burst` bytes at once. What was read is taken all
 * the same, so the budget may be overdrawn by one message. Callers give the time, in ms of any steady clock.
 */
export class ByteBudget {
  readonly #perMs: number
  readonly #burst: number
  #left: number
  #at: number

  constructor(kbps: number, burst: number, nowMs: number) {
    // kb/s are bits in a millisecond.
    this.#perMs = kbps / 8
    this.#burst = burst
    this.#left = burst
    this.#at = nowMs
  }

  /** Takes bytes that were read. @returns how long to read nothing more, ms; 0 while there is budget */
  take(bytes: number, nowMs: number): number {
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#at) * this.#perMs) - bytes
    this.#at = nowMs
    return this.#left >= 0 ? 0 : Math.ceil(-this.#left / this.#perMs)
  }
}
