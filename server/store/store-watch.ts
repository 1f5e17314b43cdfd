import type { CodedError } from '../../common/errors.ts'
import { messageOf } from '../../common/errors.ts'
import { HUB_TENANT_ID, type Store } from './store.ts'

export interface StoreWatchRules {
  /** How often the watch tries a store that takes no writes, ms: so late recovery is seen if nobody else writes. */
  readonly retryMs: number
  /** The watch tries a store to which nobody wrote for this long, ms. */
  readonly idleMs: number
}

export const STORE_WATCH_RULES: StoreWatchRules = {
  retryMs: 1000,
  idleMs: 15_000,
}

/** Kind of the documents that test whether anything can be written; one for each hub of the database. */
const PROBE_KIND = 'store-probe'
const LOOK_MS = 250

export interface StoreWatchOptions {
  readonly store: Pick<Store, 'lastCommit' | 'write'>
  readonly hubId: string
  /** Reports the state once a second while writes fail, and once when they succeed again. */
  readonly report: (failure: string | null) => void
  /** Monotonic, ms. */
  readonly now?: () => number
  readonly rules?: StoreWatchRules
}

/**
 * Knows whether the store takes writes, by the outcome of the last write. Where nobody writes, the watch itself writes:
 * rarely while all is well, and once a second while writes fail.
 */
export class StoreWatch implements AsyncDisposable {
  readonly #options: StoreWatchOptions
  readonly #now: () => number
  readonly #timer: NodeJS.Timeout
  #failingSince: number | null = null
  #reportedAt = Number.NEGATIVE_INFINITY
  #triedAt: number
  #probing: Promise<void> | undefined
  /** The database's error for the watch's own write, which can't be at fault itself. */
  #probeFailure: string | null = null

  constructor(options: StoreWatchOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#triedAt = this.#now()
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref()
  }

  /** Why writes fail now, in words; null while they succeed. */
  get failure(): string | null {
    const { failure, at } = this.#options.store.lastCommit
    if (failure) return wordsOf(failure)
    // A later write that succeeded says more than the probe before it.
    return at !== null && at > this.#triedAt ? null : this.#probeFailure
  }

  /** Tries a write if it is time for one, and reports the state. Called by the watch's own timer. */
  look(): void {
    const { store, rules = STORE_WATCH_RULES } = this.#options
    const nowMs = this.#now()
    const since = Math.max(store.lastCommit.at ?? Number.NEGATIVE_INFINITY, this.#triedAt)
    if (nowMs - since >= (this.failure === null ? rules.idleMs : rules.retryMs)) this.#probe(nowMs)
    this.#tell(nowMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#probing
  }

  #probe(nowMs: number): void {
    if (this.#probing) return
    this.#triedAt = nowMs
    const { store, hubId } = this.#options
    const place = { kind: PROBE_KIND, tenant_id: HUB_TENANT_ID, id: hubId }
    this.#probing = store
      .write([{ op: 'put', ...place, body: { at: Date.now() } }])
      .then(
        () => {
          this.#probeFailure = null
        },
        (error: unknown) => {
          this.#probeFailure = messageOf(error)
        },
      )
      .finally(() => {
        this.#probing = undefined
      })
  }

  #tell(nowMs: number): void {
    const { report, rules = STORE_WATCH_RULES } = this.#options
    const { failure } = this
    if (failure === null) {
      if (this.#failingSince === null) return
      this.#failingSince = null
      this.#reportedAt = Number.NEGATIVE_INFINITY
      report(null)
      return
    }
    this.#failingSince ??= nowMs
    if (nowMs - this.#reportedAt < rules.retryMs) return
    this.#reportedAt = nowMs
    report(`nothing can be stored for ${Math.round((nowMs - this.#failingSince) / 1000)} s: ${failure}`)
  }
}

function wordsOf({ code, message }: CodedError): string {
  return `${message} (${code})`
}
