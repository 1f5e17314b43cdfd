import { createHash, randomBytes } from 'node:crypto'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { addressKey } from './address-key.ts'

/** What a request costs, in points; telemetry costs this for each report. */
export const COSTS = { read: 1, decide: 1, telemetry: 0.1, write: 2, enrol: 50 } as const
export type CostClass = keyof typeof COSTS

export interface Limit {
  readonly points: number
  readonly seconds: number
}

export interface RateLimitOptions {
  /** Of one token or certificate. */
  readonly principal?: Limit
  /** Of one address: a whole site of viewers may stand behind it. */
  readonly address?: Limit
  /** Proofs from one address that were not good. */
  readonly failures?: Limit
  /** Most principals and addresses counted one by one; beyond, those that come share counters. */
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

/** How much one token, and one address, may ask for. Counted in memory, by each hub for itself. */
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
   * Counts a request. `principalKey` is `limitKeyOf` the principal, null for somebody without a proof; `units` is how
   * many things it asks for: the reports of a batch.
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
   * Counts a proof that was not good. When it is one too many, the answer is a 429 and not a 401, and nothing is
   * written about it. Good proofs from the same address are taken all the same: who shares an address with somebody
   * who guesses is not locked out.
   */
  async failedAuthentication(address: string): Promise<RateAnswer> {
    return await this.#failures.take(addressKey(address), 1)
  }
}

/** A limiter that never counts more than `maxKeys` keys and a few shared ones. */
class BoundedLimiter {
  readonly #limiter: RateLimiterMemory
  readonly #windowMs: number
  readonly #maxKeys: number
  /** Until when each key is counted, in the order of that. */
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
      // The library counts by the machine's clock, which may have been set back; its timers are not.
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
    // Salted, so that nobody can choose whom to share with.
    const [byte = 0] = createHash('sha256').update(this.#salt).update(key).digest()
    return `shared:${byte % SHARED_KEYS}`
  }
}
