import { createHash, randomBytes } from 'node:crypto'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { addressKey } from './address-key.ts'

/** The cost of a request in points. Telemetry costs this for each report. */
export const COSTS = { read: 1, decide: 1, telemetry: 0.1, write: 2, enrol: 50 } as const
export type CostClass = keyof typeof COSTS

export interface Limit {
  readonly points: number
  readonly seconds: number
}

export interface RateLimitOptions {
  /** For each token or certificate. */
  readonly principal?: Limit
  /** For each address: a whole site of viewers may be behind one. */
  readonly address?: Limit
  /** Bad proofs from one address. */
  readonly failures?: Limit
  /** Most principals and addresses that are counted singly. Further ones share counters. */
  readonly maxKeys?: number
}

export type RateAnswer = { readonly ok: true } | { readonly ok: false; readonly retry_after_s: number }

export const DEFAULT_LIMITS = {
  principal: { points: 10_000, seconds: 10 },
  address: { points: 20_000, seconds: 10 },
  failures: { points: 20, seconds: 60 },
  maxKeys: 20_000,
} as const

const SHARED_KEYS = 256

/** How much one token, and one address, may ask for. Each hub counts for itself, in memory. */
export class RateLimits {
  readonly #principals: BoundedLimiter
  readonly #addresses: BoundedLimiter
  readonly #failures: BoundedLimiter

  constructor(options: RateLimitOptions = {}) {
    const { principal, address, failures, maxKeys } = { ...DEFAULT_LIMITS, ...options }
    this.#principals = new BoundedLimiter(principal, maxKeys)
    this.#addresses = new BoundedLimiter(address, maxKeys)
    this.#failures = new BoundedLimiter(failures, maxKeys)
  }

  /**
   * Counts a request. `principalKey` is the principal's `limitKeyOf`, null for a caller without a proof. `units` is the
   * number of things that the request asks for, e.g. the reports of a batch.
   */
  async take(principalKey: string | null, address: string, cost: CostClass, units = 1): Promise<RateAnswer> {
    const points = Math.ceil(COSTS[cost] * Math.max(1, units))
    if (principalKey !== null) {
      const answer = await this.#principals.take(principalKey, points)
      if (!answer.ok) return answer
    }
    return await this.#addresses.take(addressKey(address), points)
  }

  /**
   * Counts a bad proof. If it is one too many, the answer is 429 instead of 401, and nothing is recorded. Good proofs
   * from the same address still pass: a guesser does not lock out others at the same address.
   */
  async failedAuthentication(address: string): Promise<RateAnswer> {
    return await this.#failures.take(addressKey(address), 1)
  }
}

/** A limiter that counts at most `maxKeys` keys singly and a few shared ones. */
class BoundedLimiter {
  readonly #limiter: RateLimiterMemory
  readonly #windowMs: number
  readonly #maxKeys: number
  /** When each key's time ends, in that order. */
  readonly #keys = new Map<string, number>()
  readonly #salt = randomBytes(16)

  constructor({ points, seconds }: Limit, maxKeys: number) {
    this.#limiter = new RateLimiterMemory({ points, duration: seconds })
    this.#windowMs = seconds * 1000
    this.#maxKeys = maxKeys
  }

  async take(key: string, points: number): Promise<RateAnswer> {
    try {
      await this.#limiter.consume(this.#bounded(key), points)
      return { ok: true }
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      // The library counts by the machine's clock, which may have been set back. Its timers were not.
      const waitMs = Math.min(refusal.msBeforeNext, this.#windowMs)
      return { ok: false, retry_after_s: Math.max(1, Math.ceil(waitMs / 1000)) }
    }
  }

  #bounded(key: string): string {
    const now = performance.now()
    for (const [oldest, until] of this.#keys) {
      if (until > now) break
      this.#keys.delete(oldest)
    }
    if (this.#keys.has(key)) return `own:${key}`
    if (this.#keys.size < this.#maxKeys) {
      this.#keys.set(key, now + this.#windowMs)
      return `own:${key}`
    }
    // Salted, so that nobody can choose with whom to share a counter.
    const [byte = 0] = createHash('sha256').update(this.#salt).update(key).digest()
    return `shared:${byte % SHARED_KEYS}`
  }
}
