import { METHOD } from '../common/stun/stun-types.ts'
import { TokenBucket } from '../common/token-bucket.ts'

/** Points a second of one holder of contracts, and points at once: a hundred viewers of one token may begin together. */
export const POINTS_PER_SECOND = 100
export const POINTS_AT_ONCE = 1000
/** What an Allocate costs: it opens a socket. Every other request costs one point. */
export const ALLOCATE_POINTS = 5
/** A bucket that nobody touched for this long is full again, ms, and need not be kept. */
const FULL_AFTER_MS = (POINTS_AT_ONCE / POINTS_PER_SECOND) * 1000

interface Budget {
  readonly bucket: TokenBucket
  usedMs: number
}

/**
 * How often those who proved a credential may ask. Quotas bound what somebody has at a time; this bounds how often
 * somebody takes it and gives it back. Times by a steady clock, ms.
 */
export class SubjectBudgets {
  readonly #budgets = new Map<string, Budget>()

  /** Number of holders who asked lately. */
  get size(): number {
    return this.#budgets.size
  }

  /** Whether this holder may ask now; then it is counted. */
  take(subject: string, method: number, nowMs: number): boolean {
    const known = this.#budgets.get(subject)
    const budget = known ?? {
      bucket: new TokenBucket(POINTS_PER_SECOND / 1000, POINTS_AT_ONCE, nowMs),
      usedMs: nowMs,
    }
    if (!known) this.#budgets.set(subject, budget)
    const taken = budget.bucket.take(method === METHOD.allocate ? ALLOCATE_POINTS : 1, nowMs)
    if (taken) budget.usedMs = nowMs
    return taken
  }

  /** Forgets those who have not asked for long. */
  forget(nowMs: number): void {
    for (const [subject, { usedMs }] of this.#budgets)
      if (nowMs - usedMs >= FULL_AFTER_MS) this.#budgets.delete(subject)
  }
}
