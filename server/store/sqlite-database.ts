import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CodedError, messageOf } from '../../common/errors.ts'
import { databaseDamaged } from './store-errors.ts'

/** Longest wait for another process that writes, such as a backup, in ms. */
const BUSY_TIMEOUT_MS = 2000

/** The database file of a data folder. */
export function databaseFile(folder: string): string {
  return join(folder, 'lanecast.sqlite')
}

/**
 * Opens a database for writing. Every commit is on the disk before it returns (WAL, synchronous FULL). The folder is
 * made with mode 0700, the files with 0600. `:memory:` uses no disk at all.
 * @throws CodedError `database_unusable` with the fault
 */
export function openForWriting(file: string): DatabaseSync {
  return opening(file, () => {
    if (file !== ':memory:') {
      mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
      closeSync(openSync(file, 'a', 0o600))
      // SQLite gives the files beside this one the same mode.
      chmodSync(file, 0o600)
    }
    return configured(new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS }), [
      'journal_mode = WAL',
      'synchronous = FULL',
      'temp_store = MEMORY',
      'trusted_schema = OFF',
      `journal_size_limit = ${64 * 1024 * 1024}`,
    ])
  })
}

/** Opens an existing database. Reads neither wait for a writer nor delay a writer. */
export function openForReading(file: string): DatabaseSync {
  return opening(file, () =>
    configured(new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, readOnly: true }), ['temp_store = MEMORY']),
  )
}

function configured(database: DatabaseSync, pragmas: readonly string[]): DatabaseSync {
  try {
    for (const pragma of pragmas) database.exec(`PRAGMA ${pragma}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function opening(file: string, open: () => DatabaseSync): DatabaseSync {
  try {
    return open()
  } catch (error) {
    throw sqliteUnusable(file, error)
  }
}

/** Why the hub could not start with the database. */
export function sqliteUnusable(file: string, error: unknown): CodedError {
  if (error instanceof CodedError) return error
  const code = resultCode(error)
  if (code !== undefined && DAMAGED.has(code))
    return databaseDamaged(
      `the database ${file} is damaged, or no SQLite database: ${messageOf(error)}`,
      error,
    )
  // The hub's own statements are right, so tables are missing or do not fit the schema's version.
  if (code === 1)
    return databaseDamaged(`the database ${file} is not as the hub made it: ${messageOf(error)}`, error)
  return new CodedError('database_unusable', `can't use the database ${file}: ${messageOf(error)}`, {
    cause: error,
    details: [adviceOn(code)],
  })
}

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26])

function adviceOn(code: number | undefined): string {
  if (code === 5 || code === 6) return 'another process holds it: stop that one'
  if (code === 13) return 'the disk is full: make room'
  return 'the folder must exist or be possible to make, and belong to the user that runs the hub'
}

/** Whether another connection holds the database. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code === 5 || code === 6
}

/** SQLite's primary result code (sqlite.org/rescode.html) of an error from node:sqlite. */
function resultCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined
}

/** The error for the caller of a failed query or commit. SQLite's own message is in `cause`, for the log alone. */
export function sqliteFailure(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  const options = { status: 503, cause: error }
  switch (resultCode(error)) {
    case 5:
    case 6:
      return new CodedError('store_unavailable', 'another process holds the database', options)
    case 10:
    case 14:
    case 8:
      return new CodedError('store_unavailable', "the database's disk can't be read or written", options)
    case 13:
      return new CodedError('store_full', "the database's disk is full", options)
    case 11:
    case 26:
      return databaseDamaged('the database is damaged', error)
    case 1:
      // The hub's statements are right, so the tables are wrong.
      return databaseDamaged('the database is not as the hub made it', error)
    default:
      return new CodedError('store_failed', 'the database refused', { ...options })
  }
}
