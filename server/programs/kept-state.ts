import type { AuditDraft } from '../audit/audit-record.ts'

const AGAIN_MS = 1000
/** Audit records that wait for a store that is away; the oldest give way. */
const MAX_RECORDS = 100

export interface KeptStateOptions {
  /** Writes the present state with these records, durably. */
  readonly write: (audit: readonly AuditDraft[]) => Promise<unknown>
  /** The store did not take a write. It is tried again. */
  readonly failed: (error: unknown) => void
}

/**
 * Keeps the store up to date with a state in memory, which goes on whatever the store does. Changes during a write share
 * the next one.
 */
export class KeptState implements AsyncDisposable {
  readonly #options: KeptStateOptions
  readonly #records: AuditDraft[] = []
  #now: Promise<void> = Promise.resolve()
  #next: Promise<void> | null = null
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: KeptStateOptions) {
    this.#options = options
  }

  /** Resolves when the state is stored, or the store did not take it. */
  save(...audit: readonly AuditDraft[]): Promise<void> {
    this.#records.push(...audit)
    this.#next ??= this.#now.then(() => {
      this.#next = null
      this.#now = this.#write()
      return this.#now
    })
    return this.#next
  }

  /** Nothing is written from now on, once the present write is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await (this.#next ?? this.#now)
  }

  async #write(): Promise<void> {
    if (this.#closed && this.#records.length === 0) return
    clearTimeout(this.#timer)
    const audit = this.#records.splice(0)
    try {
      await this.#options.write(audit)
    } catch (error) {
      this.#records.unshift(...audit)
      this.#records.splice(0, this.#records.length - MAX_RECORDS)
      this.#options.failed(error)
      if (!this.#closed) this.#timer = setTimeout(() => void this.save(), AGAIN_MS).unref()
    }
  }
}
