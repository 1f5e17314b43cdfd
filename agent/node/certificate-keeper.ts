import { backoffMs, pause } from '../../common/retry.ts'
import type { HubClock } from './hub-clock.ts'
import type { CertifiedIdentity } from './node-identity.ts'
import { trustAuthorities } from './trust-authorities.ts'

/** A certificate is renewed when this share of its life is over. So a hub that is away for days does no harm. */
const RENEW_AT = 2 / 3
const RETRY = { initialMs: 1000, maxMs: 600_000, factor: 2 }
/** How often to look at the hub's clock, ms: it may have become known, or the machine may have slept. */
const LONGEST_PAUSE_MS = 60_000

export interface CertificateKeeperOptions {
  /** Stores the identity before it is used, so that it outlives a restart. */
  readonly save: (identity: CertifiedIdentity) => Promise<void>
  /** Certificates live by the hub's clock: this machine's may be wrong by years. */
  readonly clock: HubClock
  /** A renewal failed. It will be tried again. */
  readonly onError: (error: unknown) => void
}

/** Renews a node's certificate before it expires, and keeps the process on the hub's present CAs. */
export class CertificateKeeper implements AsyncDisposable {
  readonly #options: CertificateKeeperOptions
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #identity: CertifiedIdentity

  constructor(identity: CertifiedIdentity, options: CertificateKeeperOptions) {
    this.#identity = identity
    this.#options = options
    trustAuthorities(identity.authorities)
    this.#running = this.#run().catch((error) => {
      if (!this.#closing.signal.aborted) throw error
    })
  }

  /** The present identity. */
  get identity(): CertifiedIdentity {
    return this.#identity
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; ; ) {
      const { issued_at, not_after } = this.#identity
      const due = issued_at + RENEW_AT * (not_after - issued_at) - this.#options.clock.hubNow()
      if (due > LONGEST_PAUSE_MS) {
        await pause(LONGEST_PAUSE_MS, signal)
        continue
      }
      await pause(failures > 0 ? backoffMs(RETRY, failures - 1) : Math.max(0, due), signal)
      try {
        // Making certificate requests takes 13 MB, and happens every few weeks.
        const { renewIdentity } = await import('./enrolment.ts')
        const renewed = await renewIdentity(this.#identity, this.#options.clock, signal)
        await this.#options.save(renewed)
        this.#identity = renewed
        trustAuthorities(renewed.authorities)
        failures = 0
      } catch (error) {
        signal.throwIfAborted()
        failures += 1
        this.#options.onError(error)
      }
    }
  }
}
