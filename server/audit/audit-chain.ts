import { createHmac, timingSafeEqual } from 'node:crypto'
import { type AuditRow, auditHash, type PreparedAuditDraft } from './audit-record.ts'

/**
 * The end of the chain. It is stored beside the records, so that records cut off at the end are missed.
 *
 * The seal runs through all records, starting from nothing: `seal(n) = HMAC-SHA-256(key, seal(n - 1) + hash(n))`. The
 * database keeps only the last seal, and the key is kept outside the database. So nobody with the database alone can
 * compute another chain or shorten this one, and later records of the hub do not hide the damage.
 */
export interface AuditHead {
  /** Number of records, and so the `seq` of the last record. */
  readonly seq: number
  /** Hash of the last record. */
  readonly hash: string
  /** Id of the key that seals the chain; null for a chain without a key. */
  readonly key_id: string | null
  /** In lower-case hex; null while the chain has no key. */
  readonly seal: string | null
}

/** Where the chain begins in the database. Earlier records are in archive files. */
export interface AuditStart {
  /** `seq` of the last archived record; 0 while none is archived. */
  readonly seq: number
  /** Hash of that record, which the first record in the database names; GENESIS_HASH while none is archived. */
  readonly hash: string
  /** The seal up to and including that record; null without a seal. */
  readonly seal: string | null
}

/** A new start of the chain: the records between the old and the new start are in an archive now. */
export interface AuditCut extends AuditStart {
  /** `seq` of the old start, from when the archive was made. */
  readonly from: number
}

/** The key of a chain's seal, 32 bytes. It stays the same for the chain's whole life. */
export interface AuditKey {
  readonly id: string
  readonly key: Uint8Array
}

/** Gives drafts their places after `head`, in order. */
export function appendToChain(
  head: AuditHead,
  drafts: readonly PreparedAuditDraft[],
  key: AuditKey | undefined,
): { rows: AuditRow[]; head: AuditHead } {
  let { seq, hash, seal } = head
  const rows = drafts.map((draft) => {
    seq += 1
    const unhashed = { ...draft, seq, prev_hash: hash }
    hash = auditHash(unhashed)
    if (key) seal = nextSeal(key.key, seal, hash)
    return { ...unhashed, hash }
  })
  return { rows, head: { seq, hash, seal, key_id: key?.id ?? head.key_id } }
}

/** The seal after one more record. `seal` is null before the first record. */
export function nextSeal(key: Uint8Array, seal: string | null, hash: string): string {
  return createHmac('sha256', key)
    .update(seal ?? '')
    .update(hash)
    .digest('hex')
}

/** Compares in constant time, because a forger wants to learn the right seal. */
export function sameSeal(a: string | null, b: string | null): boolean {
  const [left, right] = [Buffer.from(a ?? ''), Buffer.from(b ?? '')]
  return left.length === right.length && timingSafeEqual(left, right)
}
