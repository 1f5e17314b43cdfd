import type { CodedError } from '../../common/errors.ts'
import type { AuditCut } from '../audit/audit-chain.ts'
import type { AuditDraft, AuditRecord } from '../audit/audit-record.ts'
import type { AuditSource } from '../audit/verify-chain.ts'

/** What the hub itself owns, beside its tenants, is kept under this name, which no tenant can have. */
export const HUB_TENANT_ID = '_hub'

/** Where a document stands: 1 to 64 printable ASCII characters for `kind` and `tenant_id`, 1 to 256 for `id`. */
export interface DocumentKey {
  readonly kind: string
  readonly tenant_id: string
  readonly id: string
}

export interface StoredDocument extends DocumentKey {
  /** 1 when created, one more with each put; counts from 1 again after a delete. */
  readonly version: number
  /** As JSON gave it back; parse it with its schema (see Collection). */
  readonly body: unknown
  /** When it was put, ms since the epoch. */
  readonly updated_at: number
}

export interface PutChange extends DocumentKey {
  readonly op: 'put'
  readonly body: unknown
  /** The version it must have now; 0: it must not exist. Left out: whatever it is. */
  readonly expected_version?: number | undefined
}

export interface DeleteChange extends DocumentKey {
  readonly op: 'delete'
  /** The version it must have now. Left out, what does not exist is deleted successfully. */
  readonly expected_version?: number | undefined
}

export type Change = PutChange | DeleteChange

export interface LastCommit {
  /** Why nothing could be written; null when the transaction was made, whatever it answered to each write. */
  readonly failure: CodedError | null
  /** When it ended, by `performance.now()`; null before the first. */
  readonly at: number | null
}

export interface DocumentPage {
  /** The last document of the page before: its id, or `cursorOf` it when all tenants are listed. */
  readonly after?: string | undefined
  /** All by default. */
  readonly limit?: number | undefined
}

export interface AuditPage {
  readonly after_seq?: number | undefined
  readonly before_seq?: number | undefined
  readonly newest_first?: boolean | undefined
  /** 1 to 1000. */
  readonly limit: number
}

/**
 * Documents of all kinds and the audit trail. What was acknowledged survives kill -9 (but for the memory store,
 * which keeps nothing). Reads see every acknowledged write.
 *
 * All methods throw CodedError `store_unavailable` (503) when the database can't be reached, `database_damaged` (503)
 * with what to do, `store_failed` (500) when it refuses, and `store_closed` (503) after disposal.
 */
export interface Store extends AuditSource, AsyncDisposable {
  /** Writes that wait for their transaction, and how many may. */
  readonly queue: { readonly waiting: number; readonly capacity: number }
  /** What became of the last transaction that tells whether the database takes writes at all. */
  readonly lastCommit: LastCommit

  get(kind: string, tenantId: string, id: string): Promise<StoredDocument | undefined>

  /** In the order of id; with `tenantId` null, of all tenants, in the order of tenant and id. */
  list(kind: string, tenantId: string | null, page?: DocumentPage): Promise<StoredDocument[]>

  /**
   * Makes all the changes and records all of `audit`, or nothing. Resolves when durable. Writes of the same few ms
   * share a transaction; each one succeeds or fails on its own. Answers the changes' new versions in their order, 0
   * for those that delete.
   * @throws CodedError `version_conflict` (412), `bad_document` (400), `document_too_large` (413),
   *   `store_saturated` (503) when too many writes wait, `store_full` (503), and `store_outcome_unknown` (503) when
   *   the connection was lost during the commit, so that the write may or may not have been made.
   */
  write(changes: readonly Change[], audit?: readonly AuditDraft[]): Promise<readonly number[]>

  /**
   * Deletes the records up to `cut`, which an archive file holds, and records that: the chain goes on from there.
   * @throws CodedError `version_conflict` (412) where somebody else moved the start meanwhile, and as `write` does
   */
  cutAudit(cut: AuditCut, audit: AuditDraft): Promise<void>

  /** Records of one tenant, or of all with `tenantId` null, oldest first unless asked otherwise. */
  auditPage(tenantId: string | null, page: AuditPage): Promise<AuditRecord[]>
}

/** Where a page that lists all tenants goes on after `document`. */
export function cursorOf({ tenant_id, id }: Pick<DocumentKey, 'tenant_id' | 'id'>): string {
  return `${tenant_id} ${id}`
}
