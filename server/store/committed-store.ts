import { CodedError } from '../../common/errors.ts'
import type { AuditCut, AuditHead, AuditStart } from '../audit/audit-chain.ts'
import type { AuditDraft, AuditRecord, AuditRow } from '../audit/audit-record.ts'
import { GroupCommit } from './group-commit.ts'
import { type PreparedWrite, prepareWrite } from './prepared-write.ts'
import type { AuditPage, Change, DocumentPage, LastCommit, Store, StoredDocument } from './store.ts'
import { storeClosed } from './store-errors.ts'
import type { StoreReader } from './store-reader.ts'
import type { Outcomes } from './write-plan.ts'

export interface CommittedStoreParts {
  readonly reader: StoreReader
  readonly commit: (writes: readonly PreparedWrite[]) => Promise<Outcomes>
  /** Turns an error of the database into an error for the caller. */
  readonly failure: (error: unknown) => Error
  readonly maxBatch: number
  readonly maxWaiting: number
  /** Connections and threads, closed after the last write. */
  readonly owned: AsyncDisposable
}

/** What all stores share: immediate reads, and writes through the group commit. */
export class CommittedStore implements Store {
  readonly #parts: CommittedStoreParts
  readonly #writes: GroupCommit<PreparedWrite>
  #closing: Promise<void> | undefined
  #lastCommit: LastCommit = { failure: null, at: null }

  constructor(parts: CommittedStoreParts) {
    this.#parts = parts
    this.#writes = new GroupCommit({ ...parts, commit: (writes) => this.#commit(writes) })
  }

  get lastCommit(): LastCommit {
    return this.#lastCommit
  }

  get queue() {
    return { waiting: this.#writes.waiting, capacity: this.#writes.capacity }
  }

  async write(changes: readonly Change[], audit: readonly AuditDraft[] = []): Promise<readonly number[]> {
    return await this.#writes.submit(prepareWrite(changes, audit, Date.now()))
  }

  get(kind: string, tenantId: string, id: string): Promise<StoredDocument | undefined> {
    return this.#read((reader) => reader.get(kind, tenantId, id))
  }

  list(kind: string, tenantId: string | null, page?: DocumentPage): Promise<StoredDocument[]> {
    return this.#read((reader) => reader.list(kind, tenantId, page))
  }

  auditPage(tenantId: string | null, page: AuditPage): Promise<AuditRecord[]> {
    return this.#read((reader) => reader.auditPage(tenantId, page))
  }

  auditRows(afterSeq: number, limit: number): Promise<AuditRow[]> {
    return this.#read((reader) => reader.auditRows(afterSeq, limit))
  }

  auditHead(): Promise<AuditHead | undefined> {
    return this.#read((reader) => reader.auditHead())
  }

  auditStart(): Promise<AuditStart> {
    return this.#read((reader) => reader.auditStart())
  }

  async cutAudit(cut: AuditCut, audit: AuditDraft): Promise<void> {
    await this.#writes.submit({ ...prepareWrite([], [audit], Date.now()), cut })
  }

  /** Waits for the accepted writes. May be called twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= (async () => {
      await this.#writes[Symbol.asyncDispose]()
      await this.#parts.owned[Symbol.asyncDispose]()
    })()
    return this.#closing
  }

  async #commit(writes: readonly PreparedWrite[]): Promise<Outcomes> {
    try {
      const outcomes = await this.#parts.commit(writes)
      this.#lastCommit = { failure: null, at: performance.now() }
      return outcomes
    } catch (error) {
      // Other refusals may be the fault of the write itself.
      if (error instanceof CodedError && error.status === 503)
        this.#lastCommit = { failure: error, at: performance.now() }
      throw error
    }
  }

  async #read<T>(ask: (reader: StoreReader) => Promise<T>): Promise<T> {
    if (this.#closing) throw storeClosed()
    try {
      return await ask(this.#parts.reader)
    } catch (error) {
      throw this.#parts.failure(error)
    }
  }
}
