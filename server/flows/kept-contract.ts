/** Renewed when this share of the contract's life is over. */
const RENEW_AT = 0.5
/** Never more often, ms. */
const LEAST_MS = 1000

/**
 * Renews a contract for a client that can't: one of WHIP or WHEP knows its session and no contract. What was granted is
 * asked for again by the same rules; what is refused until its time is over ends then.
 */
export class KeptContract implements Disposable {
  readonly #renew: () => Promise<number>
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /**
   * @param expiresAt when it ends, Unix ms
   * @param renew answers when it ends now
   */
  constructor(expiresAt: number, renew: () => Promise<number>, now: () => number) {
    this.#renew = renew
    this.#now = now
    this.#wait(expiresAt)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #wait(expiresAt: number): void {
    if (this.#closed || this.#now() >= expiresAt) return
    const ms = Math.max(LEAST_MS, (expiresAt - this.#now()) * RENEW_AT)
    this.#timer = setTimeout(() => {
      this.#renew().then(
        (next) => this.#wait(next),
        () => this.#wait(expiresAt),
      )
    }, ms).unref()
  }
}
