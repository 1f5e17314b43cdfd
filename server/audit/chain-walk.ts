import { type AuditHead, type AuditStart, sameSeal } from './audit-chain.ts'
import { ARCHIVE_ACTION, type AuditRow } from './audit-record.ts'
import { CHAIN_BEGINNING, type ChainPlace, follow } from './chain-link.ts'

export interface Finding {
  readonly ok: false
  /** The first record that is wrong, missing or too many. */
  readonly seq: number
  readonly problem: string
}

export function found(seq: number, problem: string): Finding {
  return { ok: false, seq, problem }
}

/** What a walk knows of the chain so far. The walk is fed record by record. */
export class ChainWalk {
  #place: ChainPlace = CHAIN_BEGINNING
  /** A record of the chain says that the records before its start were archived. */
  #startIsOnRecord = false
  readonly #key: Uint8Array | undefined
  readonly #anchors: ReadonlyMap<number, string>
  readonly #start: AuditStart

  constructor(
    key: Uint8Array | undefined,
    anchors: readonly { readonly seq: number; readonly hash: string }[],
    start: AuditStart,
  ) {
    this.#key = key
    this.#anchors = new Map(anchors.map(({ seq, hash }) => [seq, hash]))
    this.#start = start
  }

  /** Number of records seen. */
  get count(): number {
    return this.#place.seq
  }

  next(row: AuditRow): Finding | undefined {
    const next = follow(this.#place, row, this.#key)
    if ('problem' in next) return found(next.seq, next.problem)
    this.#place = next
    if (row.action === ARCHIVE_ACTION && next.seq > this.#start.seq) this.#noteArchive(row)
    const anchor = this.#anchors.get(next.seq)
    if (anchor !== undefined && anchor !== row.hash)
      return found(next.seq, `its hash is ${row.hash}, but ${anchor} was noted: the chain was computed anew`)
    return undefined
  }

  /** Trusts the start of the chain without looking at the archived records. */
  skipArchives(): void {
    this.#place = this.#start
  }

  endOfArchives(): Finding | undefined {
    const { seq, hash, seal } = this.#start
    if (this.#place.hash !== hash)
      return found(seq, 'the archives end with another record than the one that the database goes on from')
    if (this.#key && seq > 0 && !sameSeal(seal, this.#place.seal))
      return found(seq, 'the seal does not fit: the archives were computed anew, without the key')
    return undefined
  }

  end(head: AuditHead): Finding | undefined {
    const { count } = this
    if (head.seq > count) {
      const missing = head.seq - count
      const what = missing === 1 ? 'the last is' : `the last ${missing} are`
      return found(count + 1, `the head counts ${head.seq} records, but ${what} missing`)
    }
    if (head.seq < count)
      return found(
        head.seq + 1,
        `the head counts ${head.seq} records: what follows was put in, or the head put back`,
      )
    if (head.hash !== this.#place.hash)
      return found(count, 'its hash is not the one in the head: it was replaced, or the head was')
    const beyond = [...this.#anchors.keys()].filter((seq) => seq > count).sort((a, b) => a - b)[0]
    if (beyond !== undefined)
      return found(count + 1, `record ${beyond} was noted, but the chain ends at ${count}: it was cut off`)
    if (this.#start.seq > 0 && !this.#startIsOnRecord)
      return found(1, `all up to ${this.#start.seq} are gone, and no record says that they were archived`)
    if (this.#key && !sameSeal(head.seal, this.#place.seal))
      return found(
        1,
        'the seal does not fit: a record somewhere was replaced and everything after it computed anew, without the key',
      )
    return undefined
  }

  #noteArchive({ detail }: AuditRow): void {
    const said: unknown = JSON.parse(detail)
    if (typeof said !== 'object' || said === null) return
    const { seq, hash } = this.#start
    if (Reflect.get(said, 'last_seq') === seq && Reflect.get(said, 'hash') === hash)
      this.#startIsOnRecord = true
  }
}
