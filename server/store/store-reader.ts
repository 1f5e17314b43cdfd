import type { Kysely } from 'kysely'
import type { AuditHead, AuditStart } from '../audit/audit-chain.ts'
import { type AuditRecord, type AuditRow, GENESIS_HASH } from '../audit/audit-record.ts'
import { documentName, isDocumentKey, isName } from './document-key.ts'
import type { AuditPage, DocumentPage, StoredDocument } from './store.ts'
import { documentDamaged } from './store-errors.ts'
import type { Tables } from './tables.ts'

const DOCUMENT = ['kind', 'tenant_id', 'id', 'version', 'body', 'updated_at'] as const
const RECORD = [
  'seq',
  'tenant_id',
  'at',
  'actor',
  'action',
  'object',
  'outcome',
  'detail',
  'prev_hash',
  'hash',
] as const

/** All queries of a store, for both databases. */
export class StoreReader {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async get(kind: string, tenantId: string, id: string): Promise<StoredDocument | undefined> {
    // Nothing can be stored under such a name, and PostgreSQL would report a NUL in the name as an error.
    if (!isDocumentKey({ kind, tenant_id: tenantId, id })) return undefined
    const row = await this.#db
      .selectFrom('lanecast_document')
      .select(DOCUMENT)
      .where('kind', '=', kind)
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .executeTakeFirst()
    return row && documentOf(row)
  }

  async list(kind: string, tenantId: string | null, page: DocumentPage = {}): Promise<StoredDocument[]> {
    if (!isName(kind) || (tenantId !== null && !isName(tenantId))) return []
    const after = page.after?.toWellFormed().replaceAll('\0', '')
    let query = this.#db
      .selectFrom('lanecast_document')
      .select(DOCUMENT)
      .where('kind', '=', kind)
      .orderBy('tenant_id')
      .orderBy('id')
    if (tenantId !== null) {
      query = query.where('tenant_id', '=', tenantId)
      if (after !== undefined) query = query.where('id', '>', after)
    } else if (after !== undefined) {
      const [tenant = '', id = ''] = after.split(' ', 2)
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('tenant_id', 'id'), '>', tuple(tenant, id)),
      )
    }
    if (page.limit !== undefined) query = query.limit(wholeFrom(1, page.limit))
    return (await query.execute()).map(documentOf)
  }

  async auditPage(tenantId: string | null, page: AuditPage): Promise<AuditRecord[]> {
    if (tenantId !== null && !isName(tenantId)) return []
    let query = this.#db
      .selectFrom('lanecast_audit')
      .select(RECORD)
      .orderBy('seq', page.newest_first ? 'desc' : 'asc')
      .limit(Math.min(wholeFrom(1, page.limit), 1000))
    if (tenantId !== null) query = query.where('tenant_id', '=', tenantId)
    if (page.after_seq !== undefined) query = query.where('seq', '>', wholeFrom(0, page.after_seq))
    if (page.before_seq !== undefined) query = query.where('seq', '<', wholeFrom(0, page.before_seq))
    return (await query.execute()).map((row) => ({ ...row, detail: detailOf(row) }))
  }

  async auditRows(afterSeq: number, limit: number): Promise<AuditRow[]> {
    const rows = await this.#db
      .selectFrom('lanecast_audit')
      .select(RECORD)
      .where('seq', '>', afterSeq)
      .orderBy('seq')
      .limit(limit)
      .execute()
    return rows.map((row) => ({ ...row }))
  }

  async auditHead(): Promise<AuditHead | undefined> {
    const row = await this.#db
      .selectFrom('lanecast_audit_head')
      .select(['seq', 'hash', 'key_id', 'seal'])
      .where('id', '=', 1)
      .executeTakeFirst()
    return row && { ...row }
  }

  async auditStart(): Promise<AuditStart> {
    const row = await this.#db
      .selectFrom('lanecast_audit_head')
      .select(['start_seq as seq', 'start_hash as hash', 'start_seal as seal'])
      .where('id', '=', 1)
      .executeTakeFirst()
    return row ? { ...row } : { seq: 0, hash: GENESIS_HASH, seal: null }
  }
}

/** @throws CodedError `database_damaged` */
function documentOf(row: Tables['lanecast_document']): StoredDocument {
  try {
    return { ...row, body: JSON.parse(row.body) }
  } catch (error) {
    throw documentDamaged(documentName(row), error)
  }
}

/** Somebody may have edited this record. The trail must still be readable; verifying names the record. */
function detailOf({ detail }: AuditRow): Record<string, unknown> {
  try {
    return JSON.parse(detail)
  } catch {
    return { unreadable: detail }
  }
}

/** Replaces a number from outside that is out of range or not whole by the nearest sensible number. */
function wholeFrom(least: number, value: number): number {
  return Math.min(Math.max(Math.trunc(value) || 0, least), Number.MAX_SAFE_INTEGER)
}
