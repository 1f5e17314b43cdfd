import { MAX_CREDENTIAL_S } from '../../turn/credentials.ts'

/** Shorter than the TURN process remembers an end, ms. */
const AGAIN_EVERY_MS = (MAX_CREDENTIAL_S - 60) * 1000
/** Most contracts whose end is told again; the oldest gives way. */
const MOST = 10_000

/**
 * Contracts that are over while credentials of theirs are not: those of WHIP and WHEP are good for a day. The TURN process
 * remembers an end as long as the usual credentials last, so it is told again.
 */
export class LongEnds implements Disposable {
  /** End of the credentials by the machine's clock, Unix ms. */
  readonly #until = new Map<string, number>()
  readonly #timer: NodeJS.Timeout

  constructor(tell: (contractId: string) => void) {
    this.#timer = setInterval(() => {
      const now = Date.now()
      for (const [contractId, until] of this.#until) {
        if (until <= now) this.#until.delete(contractId)
        else tell(contractId)
      }
    }, AGAIN_EVERY_MS).unref()
  }

  /** @param untilMs end of the last credential, Unix ms */
  add(contractId: string, untilMs: number): void {
    if (untilMs <= Date.now() + MAX_CREDENTIAL_S * 1000) return
    this.#until.set(contractId, untilMs)
    if (this.#until.size <= MOST) return
    const [oldest] = this.#until.keys()
    if (oldest !== undefined) this.#until.delete(oldest)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#until.clear()
  }
}
