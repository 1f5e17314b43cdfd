import { nextSeal } from './audit-chain.ts'
import { type AuditRow, auditHash, GENESIS_HASH } from './audit-record.ts'

/** The position of a walk along the chain: after record `seq`. */
export interface ChainPlace {
  readonly seq: number
  readonly hash: string
  readonly seal: string | null
}

export const CHAIN_BEGINNING: ChainPlace = { seq: 0, hash: GENESIS_HASH, seal: null }

/** The fault of a record, in words. */
export interface BrokenLink {
  readonly seq: number
  readonly problem: string
}

/** The position after `row`, which must follow `place`. `key` moves the seal on. */
export function follow(
  place: ChainPlace,
  row: AuditRow,
  key: Uint8Array | undefined,
): ChainPlace | BrokenLink {
  const seq = place.seq + 1
  if (row.seq > seq)
    return {
      seq,
      problem: row.seq === seq + 1 ? 'it is missing' : `it is missing, and so are all up to ${row.seq - 1}`,
    }
  if (row.seq < seq) return { seq: row.seq, problem: 'the chain has no place for a record with this number' }
  if (auditHash(row) !== row.hash)
    return { seq, problem: 'its content does not fit its hash: it was edited, moved or put in' }
  if (row.prev_hash !== place.hash)
    return {
      seq,
      problem: `it does not follow record ${seq - 1} as that stands: one of the two was replaced`,
    }
  return { seq, hash: row.hash, seal: key ? nextSeal(key, place.seal, row.hash) : place.seal }
}
