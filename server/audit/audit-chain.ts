import { createHmac, timingSafeEqual } from 'node:crypto'
import { type AuditRow, auditHash, type PreparedAuditDraft } from './audit-record.ts'

/**
 * Where the chain ends. It is stored beside the records, so that records cut off its end are missed.
 *
 * The seal runs through all records, starting from nothing: `seal(n) = HMAC-SHA-256(key, seal(n - 1) + hash(n))`. Only
 * the last is kept, and the key is kept outside the database: whoever can write to the database alone can neither
 * compute a chain of their own nor shorten this one, and what the hub appends later does not heal it.
 */
export interface AuditHead {
  /** How many records there are, and so the `seq` of the last. */
  readonly seq: number
  /** Hash of the last record. */
  readonly hash: string
  /** Which key seals the chain; null while it has none. */
  readonly key_id: string | null
  /** In lower-case hex; null while the chain has no key. */
  readonly seal: string | null
}

/** Where the chain begins in the database: what was before is in archive files. */
export interface AuditStart {
  /** `seq` of the last archived record; 0 while none is. */
  readonly seq: number
  /** Its hash, which the first record here names; GENESIS_HASH while none is. */
  readonly hash: string
  /** The seal up to and with it; null where there is none. */
  readonly seal: string | null
}

/** The chain's start is to be moved: what lies between is in an archive now. */
export interface AuditCut extends AuditStart {
  /** `seq` of the start as it was when the archive was made. */
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

/** The seal after one more record; `seal` is null before the first. */
export function nextSeal(key: Uint8Array, seal: string | null, hash: string): string {
  return createHmac('sha256', key)
    .update(seal ?? '')
    .update(hash)
    .digest('hex')
}

/** Compared in constant time, for the right one is what a forger wants to learn. */
export function sameSeal(a: string | null, b: string | null): boolean {
  const [left, right] = [Buffer.from(a ?? ''), Buffer.from(b ?? '')]
  return left.length === right.length && timingSafeEqual(left, right)
}
