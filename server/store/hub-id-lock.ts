import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { postgresUnusable } from './postgres-pool.ts'

/** A hub that is just ending gets this long to be gone, ms. */
const PATIENCE_MS = 5000
const TRY_EVERY_MS = 250
/** How often a lock that was lost is asked for, ms. */
const RETAKE_EVERY_MS = 1000
/** First number of the advisory locks of hubs: keeps clear of those of others. */
const LOCK_CLASS = 0x6c_61_6e_65

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
