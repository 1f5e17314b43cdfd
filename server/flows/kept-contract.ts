import { type Clock, SYSTEM_CLOCK, steadyOf } from '../../common/clock.ts'

/** A contract is renewed when this share of its life is over. */
const RENEW_AT = 0.5
/** Never more often, ms. */
const LEAST_MS = 1000

/**
 * Renews a contract for a client that can't: a WHIP or WHEP client knows its session and no contract. The same rules
 * decide again. A contract that is refused until its time is over ends then.
 */
export class KeptContract implements Disposable {
  readonly #renew: () => Promise<number>
  readonly #clock: Clock
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /**
   * @param expiresAt end by the machine's clock, Unix ms
   * @param renew returns the new end
   */
  constructor(expiresAt: number, renew: () => Promise<number>, clock: Clock = SYSTEM_CLOCK) {
    this.#renew = renew
    this.#clock = clock
    this.#wait(steadyOf(clock, expiresAt))
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** `endsAt` by the steady clock. */
  #wait(endsAt: number): void {
    const left = endsAt - this.#clock.steady()
    if (this.#closed || left <= 0) return
    const ms = Math.max(LEAST_MS, left * RENEW_AT)
    this.#timer = setTimeout(() => {
      this.#renew().then(
        (next) => this.#wait(steadyOf(this.#clock, next)),
        () => this.#wait(endsAt),
      )
    }, ms).unref()
  }
}
