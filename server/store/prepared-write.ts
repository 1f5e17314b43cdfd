import { canonicalJson } from '../../common/canonical-json.ts'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { AuditCut } from '../audit/audit-chain.ts'
import type { AuditDraft, PreparedAuditDraft } from '../audit/audit-record.ts'
import { documentName, isDocumentKey, isName } from './document-key.ts'
import type { Change, DocumentKey } from './store.ts'

/** Longest body of a document, and longest detail of an audit record, bytes of JSON. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024

/** A caller's write, ready for a transaction: checked, and already text, so that it can go to another thread. */
export interface PreparedWrite {
  readonly changes: readonly PreparedChange[]
  readonly audit: readonly PreparedAuditDraft[]
  /** Time of the caller's request, ms since the epoch. */
  readonly at: number
  /** Records that are in an archive now and must be deleted. */
  readonly cut?: AuditCut | undefined
}

export interface PreparedChange extends DocumentKey {
  /** JSON, or null to delete. */
  readonly body: string | null
  readonly expected_version: number | undefined
}

/**
 * Checks everything that can be wrong with one write, so that a faulty write fails here and not in a transaction with
 * others.
 * @throws CodedError `bad_document`, `document_too_large`, `not_json`
 */
export function prepareWrite(
  changes: readonly Change[],
  audit: readonly AuditDraft[],
  at: number,
): PreparedWrite {
  return { changes: changes.map(prepareChange), audit: audit.map(prepareDraft), at }
}

function prepareChange(change: Change): PreparedChange {
  const { kind, tenant_id, id, expected_version } = change
  if (!isDocumentKey(change)) throw bad(`${documentName(change)} is no name for a document`)
  if (expected_version !== undefined && !(Number.isSafeInteger(expected_version) && expected_version >= 0))
    throw bad(`${documentName(change)}: the expected version must be a whole number from 0`)
  const body = change.op === 'put' ? jsonText(change) : null
  return { kind, tenant_id, id, expected_version, body }
}

function jsonText(change: DocumentKey & { body: unknown }): string {
  let text: string | undefined
  try {
    text = JSON.stringify(change.body)
  } catch (error) {
    throw bad(`${documentName(change)} can't be written as JSON: ${messageOf(error)}`)
  }
  if (text === undefined) throw bad(`${documentName(change)} has no body`)
  return withinLimit(text, documentName(change))
}

function prepareDraft(draft: AuditDraft): PreparedAuditDraft {
  const { tenant_id, at, actor, action, object, outcome } = draft
  if (!isName(tenant_id)) throw bad(`audit record: "${tenant_id}" is no tenant`)
  if (!Number.isSafeInteger(at)) throw bad('audit record: its time must be a whole number of ms')
  const detail = withinLimit(canonicalJson(draft.detail), 'audit record')
  // Text that UTF-8 can't hold would not come back as it was hashed.
  const [a, b, c, d] = [actor, action, object, outcome].map((text) =>
    text.toWellFormed().replaceAll('\0', '\ufffd'),
  )
  return { tenant_id, at, actor: a!, action: b!, object: c!, outcome: d!, detail }
}

function withinLimit(text: string, what: string): string {
  const bytes = Buffer.byteLength(text)
  if (bytes <= MAX_DOCUMENT_BYTES) return text
  throw new CodedError('document_too_large', `${what} is too large to be stored`, {
    details: [`it has ${bytes} bytes; allowed: ${MAX_DOCUMENT_BYTES}`],
  })
}

function bad(message: string): CodedError {
  return new CodedError('bad_document', message)
}
