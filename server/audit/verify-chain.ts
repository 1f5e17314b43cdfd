import { type AuditHead, nextSeal, sameSeal } from './audit-chain.ts'
import { type AuditRow, auditHash, GENESIS_HASH } from './audit-record.ts'

/** Where the records and their head are read from. */
export interface AuditSource {
  /** Up to `limit` records with a `seq` above `afterSeq`, in the order of `seq`. */
  auditRows(afterSeq: number, limit: number): Promise<readonly AuditRow[]>
  auditHead(): Promise<AuditHead | undefined>
}

/** A record that somebody noted outside the database, to be found again unchanged. */
export interface AuditAnchor {
  readonly seq: number
  readonly hash: string
}

export interface VerifyOptions {
  /** The key a chain is sealed with, by its id. Undefined when no keys are at hand: the seal is then not looked at. */
  readonly keyOf?: (id: string) => Uint8Array | undefined
  readonly anchors?: readonly AuditAnchor[]
}

export type Verdict =
  | { readonly ok: true; readonly count: number; readonly head: AuditHead; readonly sealChecked: boolean }
  | Finding

export interface Finding {
  readonly ok: false
  /** The first record that is wrong, missing or too many. */
  readonly seq: number
  readonly problem: string
}

const PAGE = 1000

/**
 * Walks the whole chain and says where it is broken first. It may run beside a hub that is writing.
 *
 * Found and located: a record edited, removed, moved, put in, or cut off the end. Found with `keyOf`: a chain that
 * somebody without the key computed anew. Not found without an anchor: a database put back as a whole to an earlier
 * state of its own, for that state was right once.
 */
export async function verifyChain(source: AuditSource, options: VerifyOptions = {}): Promise<Verdict> {
  const key = await sealKey(source, options)
  if (key && 'problem' in key) return key
  const walk = new ChainWalk(key, options.anchors ?? [])
  for (;;) {
    // From the very first, for numbers below 1 are not the hub's.
    const rows = await source.auditRows(walk.count || Number.MIN_SAFE_INTEGER, PAGE)
    for (const row of rows) {
      const finding = walk.next(row)
      if (finding) return finding
    }
    if (rows.length > 0) continue
    // Read after the records: a hub that goes on writing moves it together with them, and the walk catches up.
    const head = await source.auditHead()
    if (!head) return headGone(walk.count + 1)
    if (head.seq > walk.count && (await source.auditRows(walk.count, 1)).length > 0) continue
    return walk.end(head) ?? { ok: true, count: walk.count, head, sealChecked: key !== undefined }
  }
}

/** What is known about the chain so far; fed record by record. */
class ChainWalk {
  count = 0
  #hash = GENESIS_HASH
  #seal: string | null = null
  readonly #key: Uint8Array | undefined
  readonly #anchors: ReadonlyMap<number, string>

  constructor(key: Uint8Array | undefined, anchors: readonly AuditAnchor[]) {
    this.#key = key
    this.#anchors = new Map(anchors.map(({ seq, hash }) => [seq, hash]))
  }

  next(row: AuditRow): Finding | undefined {
    const seq = this.count + 1
    if (row.seq > seq)
      return found(
        seq,
        row.seq === seq + 1 ? 'it is missing' : `it is missing, and so are all up to ${row.seq - 1}`,
      )
    if (row.seq < seq) return found(row.seq, 'the chain has no place for a record with this number')
    if (auditHash(row) !== row.hash)
      return found(seq, 'its content does not fit its hash: it was edited, moved or put in')
    if (row.prev_hash !== this.#hash)
      return found(seq, `it does not follow record ${seq - 1} as that stands: one of the two was replaced`)
    this.count = seq
    this.#hash = row.hash
    if (this.#key) this.#seal = nextSeal(this.#key, this.#seal, row.hash)
    const anchor = this.#anchors.get(seq)
    if (anchor !== undefined && anchor !== row.hash)
      return found(seq, `its hash is ${row.hash}, but ${anchor} was noted: the chain was computed anew`)
    return undefined
  }

  end(head: AuditHead): Finding | undefined {
    if (head.seq > this.count) {
      const missing = head.seq - this.count
      const what = missing === 1 ? 'the last is' : `the last ${missing} are`
      return found(this.count + 1, `the head counts ${head.seq} records, but ${what} missing`)
    }
    if (head.seq < this.count)
      return found(
        head.seq + 1,
        `the head counts ${head.seq} records: what follows was put in, or the head put back`,
      )
    if (head.hash !== this.#hash)
      return found(this.count, `its hash is not the one in the head: it was replaced, or the head was`)
    const beyond = [...this.#anchors.keys()].filter((seq) => seq > this.count).sort((a, b) => a - b)[0]
    if (beyond !== undefined)
      return found(
        this.count + 1,
        `record ${beyond} was noted, but the chain ends at ${this.count}: it was cut off`,
      )
    if (this.#key && !sameSeal(head.seal, this.#seal))
      return found(
        1,
        'the seal does not fit: a record somewhere was replaced and everything after it computed anew, without the key',
      )
    return undefined
  }
}

/** The key to check the seal with; undefined when there is nothing to check. */
async function sealKey(
  source: AuditSource,
  { keyOf }: VerifyOptions,
): Promise<Uint8Array | Finding | undefined> {
  if (!keyOf) return undefined
  const head = await source.auditHead()
  if (!head) return headGone(1)
  if (head.seq === 0) return undefined
  if (head.key_id === null)
    return found(head.seq, 'the head has no seal, although there is a key: it was not the hub')
  return (
    keyOf(head.key_id) ??
    found(head.seq, `the chain is sealed with the key "${head.key_id}", which is not among those given`)
  )
}

function headGone(seq: number): Finding {
  return found(seq, "the chain's head is gone, so nobody can say how many records there were")
}

function found(seq: number, problem: string): Finding {
  return { ok: false, seq, problem }
}
