import type { RistLogLine } from '../../common/rist/log-channel.ts'

/** librist says these lines sooner than its statistics come. */
const NAMED = /^Peer (\d+) receiver name is now/
const TIMED_OUT = /^Listening peer (\d+) timed out/

/**
 * Whether a line of librist's says that a receiver answers on a link (it has authenticated), or that it does not any
 * more (half a second without a packet).
 */
export function answerIn({
  message,
}: RistLogLine): { readonly peer: number; readonly answers: boolean } | null {
  const named = NAMED.exec(message)
  if (named) return { peer: Number(named[1]), answers: true }
  const timedOut = TIMED_OUT.exec(message)
  return timedOut && { peer: Number(timedOut[1]), answers: false }
}

/** A receiver forgets a silent sender after 2 s, and answers the sender's old port only half from then on, ms. */
const FIRST_MS = 1500
/** How often to try another port while nothing answers, ms. */
const AGAIN_MS = 10_000
/** How long a path is left alone on which authentication has failed, ms. */
const SLOW_MS = 15_000

/**
 * Renews links that have answered and answer no more. Both ends of librist wait for the other to authenticate when a
 * link comes back from the same port after some seconds, and wait for ever.
 */
export class LinkRenewals implements Disposable {
  readonly #renew: (link: number) => Promise<void>
  readonly #timers = new Map<number, NodeJS.Timeout>()

  /** @param renew sends the link from another port; what it throws is tried again */
  constructor(renew: (link: number) => Promise<void>) {
    this.#renew = renew
  }

  answers(link: number, answers: boolean): void {
    clearTimeout(this.#timers.get(link))
    this.#timers.delete(link)
    if (!answers) this.#wait(link, FIRST_MS)
  }

  /**
   * librist takes a link for alive on which nobody answers any more. Its authentication, which it repeats now and then,
   * waits for 500 ms and fails for good on a path with a longer round trip. The link is not tried soon: another attempt on
   * such a path fails again, and costs a receiver of librist 0.2.7 its life.
   */
  silent(link: number): void {
    if (!this.#timers.has(link)) this.#wait(link, SLOW_MS, SLOW_MS)
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #wait(link: number, ms: number, againMs = AGAIN_MS): void {
    const timer = setTimeout(async () => {
      await this.#renew(link).catch(() => {})
      if (this.#timers.get(link) === timer) this.#wait(link, againMs, againMs)
    }, ms)
    this.#timers.set(link, timer)
  }
}
