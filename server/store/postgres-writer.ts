import type { Pool, PoolClient } from 'pg'
import { type AuditHead, type AuditKey, appendToChain } from '../audit/audit-chain.ts'
import { postgresFailure } from './postgres-pool.ts'
import type { PreparedWrite } from './prepared-write.ts'
import type { DocumentKey } from './store.ts'
import { auditHeadMissing, outcomeUnknown } from './store-errors.ts'
import { keyText, type Outcomes, type PlannedDocument, planBatch } from './write-plan.ts'

/**
 * Commits batches of writes, with one transaction and at most six round trips each. The lock on the audit head's row
 * makes the hubs of this database write one after the other. So there is one chain, and no version changes between
 * being read and being used.
 */
export class PostgresWriter {
  readonly #pool: Pool
  readonly #auditKey: AuditKey | undefined
  readonly #begin: string

  /** @param forceSync the server would otherwise acknowledge writes that its crash can lose */
  constructor(pool: Pool, auditKey: AuditKey | undefined, forceSync: boolean) {
    this.#pool = pool
    this.#auditKey = auditKey
    this.#begin = `BEGIN ISOLATION LEVEL READ COMMITTED; ${forceSync ? 'SET LOCAL synchronous_commit = on; ' : ''}SELECT seq, hash, key_id, seal, start_seq FROM lanecast_audit_head WHERE id = 1 FOR UPDATE`
  }

  /** @throws CodedError when the whole transaction failed; nothing was written unless the code says so */
  async commit(writes: readonly PreparedWrite[]): Promise<Outcomes> {
    let client: PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw postgresFailure(error)
    }
    let committing = false
    try {
      const outcomes = await this.#apply(client, writes)
      committing = true
      await client.query('COMMIT')
      client.release()
      return outcomes
    } catch (error) {
      // Closing the connection rolls back any open transaction.
      client.release(true)
      const failure = postgresFailure(error)
      throw committing && failure.code === 'store_unavailable' ? outcomeUnknown(error) : failure
    }
  }

  async #apply(client: PoolClient, writes: readonly PreparedWrite[]): Promise<Outcomes> {
    const head = await this.#lockedHead(client)
    const versions = await versionsOf(client, writes)
    const plan = planBatch(writes, (key) => versions.get(keyText(key)) ?? 0, head.start_seq)
    await putAll(
      client,
      plan.documents.filter(({ body }) => body !== null),
    )
    await deleteAll(
      client,
      plan.documents.filter(({ body }) => body === null),
    )
    if (plan.audit.length > 0) {
      const appended = appendToChain(head, plan.audit, this.#auditKey)
      await client.query(APPEND_RECORDS, [
        ...columns(appended.rows, RECORD_COLUMNS),
        appended.head.seq,
        appended.head.hash,
        appended.head.key_id,
        appended.head.seal,
      ])
    }
    if (plan.cut) {
      const { seq, hash, seal } = plan.cut
      await client.query(
        'UPDATE lanecast_audit_head SET start_seq = $1, start_hash = $2, start_seal = $3 WHERE id = 1',
        [seq, hash, seal],
      )
      await client.query('DELETE FROM lanecast_audit WHERE seq <= $1', [seq])
    }
    return plan.outcomes
  }

  async #lockedHead(client: PoolClient): Promise<LockedHead> {
    // Several statements in one text return a list of results, which pg's types do not know.
    const results: unknown = await client.query<LockedHead>(this.#begin)
    const last = Array.isArray(results) ? (results as { rows: LockedHead[] }[]).at(-1) : undefined
    const head = last?.rows[0]
    if (!head) throw auditHeadMissing()
    return head
  }
}

interface LockedHead extends AuditHead {
  readonly start_seq: number
}

const RECORD_COLUMNS = [
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

const APPEND_RECORDS = `
  WITH appended AS (
    INSERT INTO lanecast_audit (${RECORD_COLUMNS.join(', ')})
    SELECT * FROM unnest($1::int8[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::text[], $9::text[], $10::text[])
  )
  UPDATE lanecast_audit_head SET seq = $11, hash = $12, key_id = $13, seal = $14 WHERE id = 1`

async function versionsOf(
  client: PoolClient,
  writes: readonly PreparedWrite[],
): Promise<ReadonlyMap<string, number>> {
  const keys = new Map(writes.flatMap(({ changes }) => changes.map((change) => [keyText(change), change])))
  if (keys.size === 0) return new Map()
  const { rows } = await client.query<DocumentKey & { version: number }>(
    `SELECT kind, tenant_id, id, version
     FROM lanecast_document JOIN unnest($1::text[], $2::text[], $3::text[]) AS wanted (kind, tenant_id, id)
     USING (kind, tenant_id, id)`,
    columns([...keys.values()], ['kind', 'tenant_id', 'id']),
  )
  return new Map(rows.map((row) => [keyText(row), row.version]))
}

async function putAll(client: PoolClient, documents: readonly PlannedDocument[]): Promise<void> {
  if (documents.length === 0) return
  await client.query(
    `INSERT INTO lanecast_document (kind, tenant_id, id, version, body, updated_at)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int4[], $5::text[], $6::int8[])
     ON CONFLICT (kind, tenant_id, id) DO UPDATE
     SET version = excluded.version, body = excluded.body, updated_at = excluded.updated_at`,
    columns(documents, ['kind', 'tenant_id', 'id', 'version', 'body', 'updated_at']),
  )
}

async function deleteAll(client: PoolClient, documents: readonly DocumentKey[]): Promise<void> {
  if (documents.length === 0) return
  await client.query(
    `DELETE FROM lanecast_document USING unnest($1::text[], $2::text[], $3::text[]) AS gone (kind, tenant_id, id)
     WHERE (lanecast_document.kind, lanecast_document.tenant_id, lanecast_document.id)
       = (gone.kind, gone.tenant_id, gone.id)`,
    columns(documents, ['kind', 'tenant_id', 'id']),
  )
}

/** Rows as one array per column, so that a statement has the same text for any number of rows. */
function columns<T>(rows: readonly T[], names: readonly (keyof T)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]))
}
