/** A bucket that fills evenly up to `burst`. Callers give the time, in ms of any steady clock. */
export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #left: number
  #at: number

  constructor(perMs: number, burst: number, nowMs: number) {
    this.#perMs = perMs
    this.#burst = burst
    this.#left = burst
    this.#at = nowMs
  }

  /** Takes so much, or nothing where there is less. @returns whether it was taken */
  take(amount: number, nowMs: number): boolean {
    this.#fill(nowMs)
    if (this.#left < amount) return false
    this.#left -= amount
    return true
  }

  /** Takes so much in any case. @returns how long until the bucket is no longer overdrawn, ms; 0 where it is not */
  overdraw(amount: number, nowMs: number): number {
    this.#fill(nowMs)
    this.#left -= amount
    return this.#left >= 0 ? 0 : Math.ceil(-this.#left / this.#perMs)
  }

  #fill(nowMs: number): void {
    if (nowMs <= this.#at) return
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#at) * this.#perMs)
    this.#at = nowMs
  }
}
