import { existsSync } from 'node:fs'
import { Kysely, PostgresDialect } from 'kysely'
import { CodedError } from '../../common/errors.ts'
import type { AuditSource } from '../audit/verify-chain.ts'
import type { StoreConfig } from './open-store.ts'
import { openPool, postgresUnusable } from './postgres-pool.ts'
import { databaseFile, openForReading, sqliteUnusable } from './sqlite-database.ts'
import { nodeSqliteDialect } from './sqlite-dialect.ts'
import { StoreReader } from './store-reader.ts'
import type { Tables } from './tables.ts'

/**
 * Opens the audit trail of a database for reading only: nothing is migrated, made or locked, and a hub may go on
 * writing.
 * @throws CodedError `database_unusable`
 */
export async function openAuditSource(
  config: Exclude<StoreConfig, { kind: 'memory' }>,
): Promise<AuditSource & AsyncDisposable> {
  const { dialect, failure } = config.kind === 'sqlite' ? sqliteIn(config.folder) : postgresAt(config.url)
  const db = new Kysely<Tables>({ dialect })
  const reader = new StoreReader(db)
  const inWords = (error: unknown): never => {
    throw failure(error)
  }
  try {
    await reader.auditRows(0, 1).catch(inWords)
  } catch (error) {
    await db.destroy()
    throw error
  }
  return {
    auditRows: (afterSeq, limit) => reader.auditRows(afterSeq, limit).catch(inWords),
    auditHead: () => reader.auditHead().catch(inWords),
    auditStart: () => reader.auditStart().catch(inWords),
    [Symbol.asyncDispose]: () => db.destroy(),
  }
}

function sqliteIn(folder: string) {
  const file = databaseFile(folder)
  if (!existsSync(file))
    throw new CodedError('database_unusable', `there is no database in ${folder}`, {
      details: [`expected: ${file}`],
    })
  return {
    dialect: nodeSqliteDialect(openForReading(file)),
    failure: (error: unknown) => sqliteUnusable(file, error),
  }
}

function postgresAt(url: string) {
  const pool = openPool(url, 1, () => undefined)
  return { dialect: new PostgresDialect({ pool }), failure: postgresUnusable }
}
