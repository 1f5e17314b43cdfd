import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CodedError, messageOf } from '../../common/errors.ts'
import { isBusy, sqliteUnusable } from './sqlite-database.ts'

/** How long an ending hub gets to release the folder, ms. */
const PATIENCE_MS = 5000

/**
 * Reserves a data folder for one hub: two hubs on one SQLite would not see each other's writes. The system releases the
 * lock however the process ends.
 * @throws CodedError `data_folder_in_use`, `database_damaged`, `database_unusable`
 */
export function holdFolder(folder: string, patienceMs = PATIENCE_MS): Disposable {
  const file = join(folder, 'hub.lock')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
  } catch (error) {
    throw sqliteUnusable(file, error)
  }
  const lock = new DatabaseSync(file, { timeout: patienceMs })
  try {
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if (!isBusy(error))
      throw new CodedError('database_damaged', `the lock file ${file} can't be used: ${messageOf(error)}`, {
        cause: error,
        details: ['the file holds nothing: stop the hub that may run here, delete the file, and start again'],
      })
    throw new CodedError('data_folder_in_use', `another hub runs on ${folder}`, {
      cause: error,
      details: ['stop it first, give this one a DATA_DIR of its own, or share a PostgreSQL by DATABASE_URL'],
    })
  }
  return { [Symbol.dispose]: () => lock.close() }
}
