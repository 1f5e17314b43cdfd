/** How long a least lag is trusted, ms: routes change. */
const TRUSTED_MS = 30_000
/** Lags differ by the turns of both event loops, ms. */
const GRAIN_MS = 5

/**
 * Knows how late messages arrive, by the hub's answers, and so how much waits on the way: in the kernel's buffers, in
 * those of proxies, in front of a slow link. All that waits delays what comes after. Callers give the time, in ms of a
 * steady clock.
 */
export class MessageLag {
  readonly #allowedMs: number
  /** When each message left that the hub has not answered; the clocks of messages, modulo 2^32. */
  readonly #unanswered: number[] = []
  #leastMs = Number.POSITIVE_INFINITY
  #leastAt = 0

  /** @param allowedMs how much longer than the fastest a message may take */
  constructor(allowedMs: number) {
    this.#allowedMs = allowedMs
  }

  sent(nowMs: number): void {
    this.#unanswered.push(nowMs)
  }

  /** The hub has read the message that left at `clock` (modulo 2^32), and all before it. */
  answered(clock: number, nowMs: number): void {
    let at: number | undefined
    while (this.#unanswered.length > 0 && (clock - (this.#unanswered[0]! >>> 0)) >>> 0 < 2 ** 31)
      at = this.#unanswered.shift()
    if (at === undefined) return
    const lagMs = nowMs - at
    if (lagMs > this.#leastMs && nowMs - this.#leastAt < TRUSTED_MS) return
    this.#leastMs = lagMs
    this.#leastAt = nowMs
  }

  /** Since when the hub owes an answer; null when it owes none. */
  get owedSince(): number | null {
    return this.#unanswered[0] ?? null
  }

  /** Whether so much waits on the way that another message had better wait here. */
  congested(nowMs: number): boolean {
    const oldest = this.#unanswered[0]
    if (oldest === undefined) return false
    // Before the first answer nobody knows the length of the way.
    const leastMs = Number.isFinite(this.#leastMs) ? this.#leastMs : 1000
    return nowMs - oldest > leastMs + this.#allowedMs + GRAIN_MS
  }
}
