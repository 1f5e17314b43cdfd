import type { CodedError } from '../../common/errors.ts'
import type { AuditCut } from '../audit/audit-chain.ts'
import type { AuditDraft, AuditRecord } from '../audit/audit-record.ts'
import type { AuditSource } from '../audit/verify-chain.ts'

/** The tenant id of what the hub itself owns. No tenant can have this id. */
export const HUB_TENANT_ID = '_hub'

/** The key of a document: 1 to 64 printable ASCII characters for `kind` and `tenant_id`, 1 to 256 for `id`. */
export interface DocumentKey {
  readonly kind: string
  readonly tenant_id: string
  readonly id: string
}

export interface StoredDocument extends DocumentKey {
  /** 1 for a new document, one more with each put; 1 again after a delete. */
  readonly version: number
  /** As JSON returned it. Parse it with its schema (see Collection). */
  readonly body: unknown
  /** Time of the last put, ms since the epoch. */
  readonly updated_at: number
}

export interface PutChange extends DocumentKey {
  readonly op: 'put'
  readonly body: unknown
  /** The version that the document must have now; 0: the document must not exist. Left out: any version. */
  readonly expected_version?: number | undefined
}

export interface DeleteChange extends DocumentKey {
  readonly op: 'delete'
  /** The version that the document must have now. Left out: deleting a missing document succeeds. */
  readonly expected_version?: number | undefined
}

export type Change = PutChange | DeleteChange

export interface LastCommit {
  /** Why nothing could be written; null when the transaction was made, whatever the outcome of each write. */
  readonly failure: CodedError | null
  /** When the transaction ended, by `performance.now()`; null before the first. */
  readonly at: number | null
}

export interface DocumentPage {
  /** The last document of the previous page: its id, or its `cursorOf` when all tenants are listed. */
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
 * Documents of all kinds and the audit trail. Acknowledged writes survive kill -9 (except in the memory store, which
 * keeps nothing). Reads see every acknowledged write.
 *
 * All methods throw CodedError `store_unavailable` (503) when the database can't be reached, `database_damaged` (503)
 * with what to do, `store_failed` (500) when the database refuses, and `store_closed` (503) after disposal.
 */
export interface Store extends AuditSource, AsyncDisposable {
  /** Number of writes that wait for their transaction, and the most that may. */
  readonly queue: { readonly waiting: number; readonly capacity: number }
  /** Outcome of the last transaction that shows whether the database takes writes at all. */
  readonly lastCommit: LastCommit

  get(kind: string, tenantId: string, id: string): Promise<StoredDocument | undefined>

  /** In the order of id; with `tenantId` null, of all tenants, in the order of tenant and id. */
  list(kind: string, tenantId: string | null, page?: DocumentPage): Promise<StoredDocument[]>

  /**
   * Makes all changes and records all of `audit`, or nothing. Resolves when durable. Writes of the same few ms share a
   * transaction; each succeeds or fails on its own. Returns the new versions in the order of the changes, 0 for a
   * delete.
   * @throws CodedError `version_conflict` (412), `bad_document` (400), `document_too_large` (413),
   * `store_saturated` (503) when too many writes wait, `store_full` (503), and `store_outcome_unknown` (503) when
   * the connection was lost during the commit, so that the write may or may not have been made.
   */
  write(changes: readonly Change[], audit?: readonly AuditDraft[]): Promise<readonly number[]>

  /**
   * Deletes the records up to `cut`, which an archive file holds, and records that. The chain goes on from there.
   * @throws CodedError `version_conflict` (412) where somebody else moved the start meanwhile, and as `write`
   */
  cutAudit(cut: AuditCut, audit: AuditDraft): Promise<void>

  /** Records of one tenant, or of all with `tenantId` null; oldest first by default. */
  auditPage(tenantId: string | null, page: AuditPage): Promise<AuditRecord[]>
}

/** The cursor after `document` in a list of all tenants. */
export function cursorOf({ tenant_id, id }: Pick<DocumentKey, 'tenant_id' | 'id'>): string {
  return `${tenant_id} ${id}`
}
