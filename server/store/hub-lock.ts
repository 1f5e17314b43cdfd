import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { postgresUnusable } from './postgres-pool.ts'
import { sqliteUnusable } from './sqlite-database.ts'

/** A hub that is just ending gets this long to be gone, ms. */
const PATIENCE_MS = 5000
const TRY_EVERY_MS = 250
/** How often a lock that was lost is asked for, ms. */
const RETAKE_EVERY_MS = 1000
/** First number of the advisory locks of hubs: keeps clear of those of others. */
const LOCK_CLASS = 0x6c_61_6e_65

/**
 * Keeps a data folder to one hub: two on one SQLite would not see what the other writes. The system gives the lock back
 * however the process ends.
 * @throws CodedError `data_folder_in_use`
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
    throw new CodedError('data_folder_in_use', `another hub runs on ${folder}`, {
      cause: error,
      details: ['stop it first, give this one a DATA_DIR of its own, or share a PostgreSQL by DATABASE_URL'],
    })
  }
  return { [Symbol.dispose]: () => lock.close() }
}

/**
 * Keeps a hub's id to one hub of those on a PostgreSQL: contracts, nodes' states and deliveries are told apart by it.
 * PostgreSQL gives the lock back when the connection ends; it is taken anew when that breaks.
 * @throws CodedError `hub_id_taken`, `database_unusable`
 */
export async function holdHubId(
  url: string,
  hubId: string,
  logger: Logger,
  patienceMs = PATIENCE_MS,
): Promise<AsyncDisposable> {
  const closing = new AbortController()
  let client: pg.Client | undefined

  const take = async (): Promise<boolean> => {
    const fresh = new pg.Client({ connectionString: url, application_name: 'lanecast', keepAlive: true })
    fresh.on('error', () => {
      if (client !== fresh) return
      client = undefined
      void again()
    })
    await fresh.connect()
    const { rows } = await fresh.query<{ taken: boolean }>(
      'SELECT pg_try_advisory_lock($1, hashtext($2)) AS taken',
      [LOCK_CLASS, hubId],
    )
    if (rows[0]?.taken === true && !closing.signal.aborted) client = fresh
    else await fresh.end()
    return client === fresh
  }

  /** After the connection broke. */
  const again = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        if (await take()) return
        logger.error({ hub_id: hubId }, 'another hub runs with this id now: give each an id of its own')
      } catch (error) {
        logger.warn({ hub_id: hubId, reason: messageOf(error) }, "the hub's lock on its id is lost for now")
      }
      await delay(RETAKE_EVERY_MS, undefined, { signal: closing.signal }).catch(() => {})
    }
  }

  try {
    for (const end = performance.now() + patienceMs; !(await take()); await delay(TRY_EVERY_MS))
      if (performance.now() > end)
        throw new CodedError('hub_id_taken', `another hub with the id "${hubId}" runs on this database`, {
          details: ['stop it first, or give each hub a HUB_ID of its own'],
        })
  } catch (error) {
    throw postgresUnusable(error)
  }
  return {
    async [Symbol.asyncDispose]() {
      closing.abort()
      const held = client
      client = undefined
      await held?.end().catch(() => {})
    },
  }
}
