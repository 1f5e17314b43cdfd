import type { ErrorCode } from '../../common/error-codes.ts'
import type { AuditCut } from '../audit/audit-chain.ts'
import type { PreparedAuditDraft } from '../audit/audit-record.ts'
import { documentName } from './document-key.ts'
import type { PreparedChange, PreparedWrite } from './prepared-write.ts'
import type { DocumentKey } from './store.ts'

/** Why one write of a batch can't be made: the parts of a CodedError, fit to cross threads. */
export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly status: number
  readonly details: readonly string[]
}

/** The new versions of a write's changes, in their order; 0 for a delete. */
export type Versions = readonly number[]

/** One outcome for each write of a batch, in order. */
export type Outcomes = readonly (Versions | Refusal)[]

/** A document after the batch; version 0 and no body when the batch deletes it. */
export interface PlannedDocument extends DocumentKey {
  readonly version: number
  readonly body: string | null
  readonly updated_at: number
}

export interface BatchPlan {
  readonly outcomes: Outcomes
  readonly documents: readonly PlannedDocument[]
  readonly audit: readonly PreparedAuditDraft[]
  /** The new start of the audit trail; null where the start stays. */
  readonly cut: AuditCut | null
}

/**
 * Works out what a batch does, one write after the other, each all or nothing. The result equals a savepoint for each
 * write, without the cost. `versionOf` returns a document's version before the batch, 0 for a missing document.
 * `auditStart` is the last archived record.
 */
export function planBatch(
  writes: readonly PreparedWrite[],
  versionOf: (key: DocumentKey) => number,
  auditStart = 0,
): BatchPlan {
  let cut: AuditCut | null = null
  const documents = new Map<string, PlannedDocument>()
  const audit: PreparedAuditDraft[] = []
  const outcomes = writes.map((write): Versions | Refusal => {
    const versions: number[] = []
    const own = new Map<string, PlannedDocument>()
    if (write.cut && write.cut.from !== (cut?.seq ?? auditStart)) return startMoved(cut?.seq ?? auditStart)
    for (const change of write.changes) {
      const key = keyText(change)
      const version = (own.get(key) ?? documents.get(key))?.version ?? versionOf(change)
      const refusal = refusalOf(change, version)
      if (refusal) return refusal
      const { kind, tenant_id, id, body } = change
      const after = body === null ? 0 : version + 1
      own.set(key, { kind, tenant_id, id, body, version: after, updated_at: write.at })
      versions.push(after)
    }
    for (const [key, document] of own) documents.set(key, document)
    audit.push(...write.audit)
    if (write.cut) cut = write.cut
    return versions
  })
  return { outcomes, documents: [...documents.values()], audit, cut }
}

function startMoved(now: number): Refusal {
  return {
    code: 'version_conflict',
    message: `the audit trail begins after record ${now} by now: somebody else archived what was before`,
    status: 412,
    details: [],
  }
}

/** A text that is unique for each document: no part of a key holds a space. */
export function keyText({ kind, tenant_id, id }: DocumentKey): string {
  return `${kind} ${tenant_id} ${id}`
}

function refusalOf(change: PreparedChange, version: number): Refusal | null {
  const { expected_version: expected } = change
  if (expected === undefined || expected === version) return null
  const now = version === 0 ? 'does not exist' : `is at version ${version}`
  const asked = expected === 0 ? 'it should not exist yet' : `version ${expected} was expected`
  return {
    code: 'version_conflict',
    message: `${documentName(change)} ${now}, but ${asked}`,
    status: 412,
    details: [`version now: ${version}`, `version expected: ${expected}`],
  }
}
