import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type AuditKey, appendToChain } from '../audit/audit-chain.ts'
import type { PreparedWrite } from './prepared-write.ts'
import { sqliteFailure } from './sqlite-database.ts'
import type { DocumentKey } from './store.ts'
import { auditHeadMissing } from './store-errors.ts'
import { type Outcomes, planBatch } from './write-plan.ts'

/**
 * Commits batches of writes, one transaction each. Synchronous: returns when the transaction is on the disk. So a
 * database on a disk needs a thread of its own.
 */
export class SqliteWriter {
  readonly #database: DatabaseSync
  readonly #auditKey: AuditKey | undefined
  readonly #version: StatementSync
  readonly #put: StatementSync
  readonly #delete: StatementSync
  readonly #record: StatementSync
  readonly #head: StatementSync
  readonly #setHead: StatementSync
  readonly #start: StatementSync
  readonly #setStart: StatementSync
  readonly #deleteRecords: StatementSync

  constructor(database: DatabaseSync, auditKey: AuditKey | undefined) {
    this.#database = database
    this.#auditKey = auditKey
    this.#version = database.prepare(
      'SELECT version FROM lanecast_document WHERE kind = ? AND tenant_id = ? AND id = ?',
    )
    this.#put = database.prepare(
      `INSERT INTO lanecast_document (kind, tenant_id, id, version, body, updated_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET version = excluded.version, body = excluded.body, updated_at = excluded.updated_at`,
    )
    this.#delete = database.prepare(
      'DELETE FROM lanecast_document WHERE kind = ? AND tenant_id = ? AND id = ?',
    )
    this.#record = database.prepare(
      `INSERT INTO lanecast_audit (seq, tenant_id, at, actor, action, object, outcome, detail, prev_hash, hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#head = database.prepare('SELECT seq, hash, key_id, seal FROM lanecast_audit_head WHERE id = 1')
    this.#setHead = database.prepare(
      'UPDATE lanecast_audit_head SET seq = ?, hash = ?, key_id = ?, seal = ? WHERE id = 1',
    )
    this.#start = database.prepare('SELECT start_seq FROM lanecast_audit_head WHERE id = 1')
    this.#setStart = database.prepare(
      'UPDATE lanecast_audit_head SET start_seq = ?, start_hash = ?, start_seal = ? WHERE id = 1',
    )
    this.#deleteRecords = database.prepare('DELETE FROM lanecast_audit WHERE seq <= ?')
  }

  /** @throws CodedError when the whole transaction failed; then nothing was written */
  commit(writes: readonly PreparedWrite[]): Outcomes {
    try {
      // Takes the write lock at once: no other process may write between reading versions and using them.
      this.#database.exec('BEGIN IMMEDIATE')
      const outcomes = this.#apply(writes)
      this.#database.exec('COMMIT')
      return outcomes
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw sqliteFailure(error)
    }
  }

  #apply(writes: readonly PreparedWrite[]): Outcomes {
    const start = writes.some(({ cut }) => cut) ? Number(this.#start.get()?.['start_seq']) : 0
    const plan = planBatch(writes, (key) => this.#versionOf(key), start)
    for (const { kind, tenant_id, id, version, body, updated_at } of plan.documents)
      if (body === null) this.#delete.run(kind, tenant_id, id)
      else this.#put.run(kind, tenant_id, id, version, body, updated_at)
    if (plan.audit.length > 0) {
      const { rows, head } = appendToChain(this.#readHead(), plan.audit, this.#auditKey)
      for (const { seq, tenant_id, at, actor, action, object, outcome, detail, prev_hash, hash } of rows)
        this.#record.run(seq, tenant_id, at, actor, action, object, outcome, detail, prev_hash, hash)
      this.#setHead.run(head.seq, head.hash, head.key_id, head.seal)
    }
    if (plan.cut) {
      // Moves the start first, because only records before the start can be deleted.
      this.#setStart.run(plan.cut.seq, plan.cut.hash, plan.cut.seal)
      this.#deleteRecords.run(plan.cut.seq)
    }
    return plan.outcomes
  }

  #versionOf({ kind, tenant_id, id }: DocumentKey): number {
    return Number(this.#version.get(kind, tenant_id, id)?.['version'] ?? 0)
  }

  #readHead() {
    const row = this.#head.get()
    if (!row) throw auditHeadMissing()
    const textOrNull = (value: unknown) => (value === null ? null : String(value))
    return {
      seq: Number(row['seq']),
      hash: String(row['hash']),
      key_id: textOrNull(row['key_id']),
      seal: textOrNull(row['seal']),
    }
  }
}
