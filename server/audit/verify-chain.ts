import { CodedError } from '../../common/errors.ts'
import type { ArchiveFile } from './archive-file.ts'
import { readArchive } from './archive-file.ts'
import type { AuditHead, AuditStart } from './audit-chain.ts'
import type { AuditRow } from './audit-record.ts'
import { ChainWalk, type Finding, found } from './chain-walk.ts'

export type { Finding } from './chain-walk.ts'

/** The source of the records and of their head. */
export interface AuditSource {
  /** Up to `limit` records with a `seq` above `afterSeq`, in the order of `seq`. */
  auditRows(afterSeq: number, limit: number): Promise<readonly AuditRow[]>
  auditHead(): Promise<AuditHead | undefined>
  auditStart(): Promise<AuditStart>
}

/** A record that somebody noted outside the database and that must be found unchanged. */
export interface AuditAnchor {
  readonly seq: number
  readonly hash: string
}

export interface VerifyOptions {
  /** The key that seals a chain, by its id. Undefined without keys at hand: the seal is then not checked. */
  readonly keyOf?: (id: string) => Uint8Array | undefined
  readonly anchors?: readonly AuditAnchor[]
  /** Archive files of records that are no longer in the database. Undefined: archived records are not checked. */
  readonly archives?: () => Promise<readonly ArchiveFile[]>
}

export type Verdict =
  | {
      readonly ok: true
      readonly count: number
      readonly head: AuditHead
      readonly sealChecked: boolean
      /** Number of archived records, and whether they were checked. */
      readonly archived: number
      readonly archivesChecked: boolean
    }
  | Finding

const PAGE = 1000
/** Attempts. A hub that archives meanwhile takes records away under the walk, which then begins again. */
const ATTEMPTS = 5

/**
 * Walks the whole chain, from the first archive to the head, and says where it is broken first. A hub may write or
 * archive meanwhile.
 *
 * Found and located: a record that was edited, removed, moved, put in, or cut off the end. Found with `keyOf`: a chain
 * that somebody without the key computed anew. Not found without an anchor: a whole database put back to an earlier
 * state of its own, because that state was right once.
 * @throws CodedError `archives_missing` where the chain begins after records whose archives are not among those given
 */
export async function verifyChain(source: AuditSource, options: VerifyOptions = {}): Promise<Verdict> {
  const key = await sealKey(source, options)
  if (key && 'problem' in key) return key
  for (let attempt = 1; ; attempt += 1) {
    const start = await source.auditStart()
    const verdict = await verifyFrom(source, start, key, options)
    if (verdict.ok || attempt === ATTEMPTS || (await source.auditStart()).seq === start.seq) return verdict
  }
}

async function verifyFrom(
  source: AuditSource,
  start: AuditStart,
  key: Uint8Array | undefined,
  { anchors = [], archives }: VerifyOptions,
): Promise<Verdict> {
  const walk = new ChainWalk(key, anchors, start)
  if (archives === undefined) walk.skipArchives()
  else {
    for (const file of archivesUpTo(await archives(), start.seq)) {
      for await (const row of readArchive(file)) {
        const finding = walk.next(row)
        if (finding) return inFile(finding, file)
      }
    }
    const finding = walk.endOfArchives()
    if (finding) return finding
  }
  // From the very first: records with a number below 1 or with an archived number do not come from the hub.
  let after = Number.MIN_SAFE_INTEGER
  for (;;) {
    const rows = await source.auditRows(after, PAGE)
    for (const row of rows) {
      const finding = walk.next(row)
      if (finding) return finding
    }
    if (rows.length > 0) {
      after = walk.count
      continue
    }
    // Read after the records: a writing hub moves the head together with the records, and the walk catches up.
    const head = await source.auditHead()
    if (!head) return headGone(walk.count + 1)
    if (head.seq > walk.count && (await source.auditRows(walk.count, 1)).length > 0) continue
    const checked = { sealChecked: key !== undefined, archivesChecked: archives !== undefined }
    return walk.end(head) ?? { ok: true, count: walk.count, head, archived: start.seq, ...checked }
  }
}

/** The files from the first record to the last archived one. Other files hold the same records, cut differently. */
function archivesUpTo(archives: readonly ArchiveFile[], last: number): ArchiveFile[] {
  const way: ArchiveFile[] = []
  for (let reached = 0; reached < last; ) {
    const next = archives
      .filter((file) => file.first === reached + 1 && file.last <= last)
      .reduce<ArchiveFile | undefined>(
        (best, file) => (best && best.last >= file.last ? best : file),
        undefined,
      )
    if (!next)
      throw new CodedError(
        'archives_missing',
        `records ${reached + 1} to ${last} are archived, and no archive at hand begins with ${reached + 1}`,
        {
          details: [
            'give the folder by --archives; with --no-archives only what is in the database is checked',
          ],
        },
      )
    way.push(next)
    reached = next.last
  }
  return way
}

function inFile({ seq, problem }: Finding, { path }: ArchiveFile): Finding {
  return found(seq, `${problem} (${path})`)
}

/** The key for the seal; undefined when there is no seal to check. */
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
