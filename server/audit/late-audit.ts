import type { AuditDraft } from './audit-record.ts'

/** Most records that wait for a database. Beyond that the oldest are dropped. */
const MOST_WAITING = 1000
const AGAIN_MS = 2000

export interface LateAuditOptions {
  /** Writes records to the trail, all or none. */
  readonly write: (drafts: readonly AuditDraft[]) => Promise<unknown>
  /** Records could not be written, and are kept. Called once until a write succeeds. */
  readonly failed: (error: unknown) => void
  /** Records were dropped. */
  readonly lost: (count: number) => void
  readonly againMs?: number
}

/**
 * Records of what happens by itself (alarms, nodes that come and go) and for which nobody waits. While the database is
 * away, the records wait, with the time at which each thing happened. So even the alarm about the absent database is on
 * the trail afterwards.
 */
export class LateAudit implements AsyncDisposable {
  readonly #options: LateAuditOptions
  #waiting: AuditDraft[] = []
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #failing = false
  #closed = false

  constructor(options: LateAuditOptions) {
    this.#options = options
  }

  record(draft: AuditDraft): void {
    this.#waiting.push(draft)
    this.#bound()
    // While the database is away, a timer starts the next attempt, not each record.
    if (this.#timer === undefined) this.#begin()
  }

  /** Tries a last time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#writing
    if (this.#waiting.length > 0) await this.#write()
    if (this.#waiting.length > 0) this.#options.lost(this.#waiting.length)
  }

  #begin(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      if (this.#waiting.length === 0 || this.#closed || this.#timer !== undefined) return
      if (!this.#failing) return this.#begin()
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#begin()
      }, this.#options.againMs ?? AGAIN_MS).unref()
    })
  }

  async #write(): Promise<void> {
    const drafts = this.#waiting
    this.#waiting = []
    try {
      await this.#options.write(drafts)
      this.#failing = false
    } catch (error) {
      this.#waiting = [...drafts, ...this.#waiting]
      this.#bound()
      if (!this.#failing) this.#options.failed(error)
      this.#failing = true
    }
  }

  #bound(): void {
    const over = this.#waiting.length - MOST_WAITING
    if (over <= 0) return
    this.#waiting.splice(0, over)
    this.#options.lost(over)
  }
}
