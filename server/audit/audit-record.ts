import { createHash } from 'node:crypto'

/** Something that somebody did, before it has a place in the chain. Holds no secrets, because it is kept for ever. */
export interface AuditDraft {
  readonly tenant_id: string
  /** Time of the deed, ms since the epoch. */
  readonly at: number
  /** Who did it: `token:t1`, `node:n1`, `hub`. */
  readonly actor: string
  readonly action: string
  /** What was changed or asked for: `flow:c1`, `policy:default`. */
  readonly object: string
  readonly outcome: string
  readonly detail: Record<string, unknown>
}

/** One link of the chain. Hashes are SHA-256 in lower-case hex; `seq` counts from 1 without gaps. */
export interface AuditRecord extends AuditDraft {
  readonly seq: number
  /** `hash` of record `seq - 1`; GENESIS_HASH for the first. */
  readonly prev_hash: string
  readonly hash: string
}

/** A record as it is stored: `detail` is canonical JSON, and the hash covers that very text. */
export interface AuditRow extends Omit<AuditRecord, 'detail'> {
  readonly detail: string
}

/** A draft whose `detail` is canonical JSON already. */
export type PreparedAuditDraft = Omit<AuditRow, 'seq' | 'prev_hash' | 'hash'>

/** Action of the record that says that earlier records are in an archive. */
export const ARCHIVE_ACTION = 'audit.archive'

/** The previous hash that the first record names. */
export const GENESIS_HASH = '0'.repeat(64)

/**
 * The hash of a record: SHA-256 over the canonical JSON (RFC 8785) of all its fields except `hash`, so with `seq` and
 * `prev_hash`. Written out by hand because the order of the members is known and `detail` is canonical already.
 */
export function auditHash(row: Omit<AuditRow, 'hash'>): string {
  const text =
    `{"action":${JSON.stringify(row.action)},"actor":${JSON.stringify(row.actor)},"at":${row.at},` +
    `"detail":${row.detail},"object":${JSON.stringify(row.object)},"outcome":${JSON.stringify(row.outcome)},` +
    `"prev_hash":${JSON.stringify(row.prev_hash)},"seq":${row.seq},"tenant_id":${JSON.stringify(row.tenant_id)}}`
  return createHash('sha256').update(text).digest('hex')
}
