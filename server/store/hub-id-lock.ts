import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { postgresUnusable } from './postgres-pool.ts'

/** How long an ending hub gets to release the id, ms. */
const PATIENCE_MS = 5000
const TRY_EVERY_MS = 250
/** How often the hub asks for a lost lock, ms. */
const RETAKE_EVERY_MS = 1000
/** First number of the hubs' advisory locks, chosen to avoid the locks of other programs. */
const LOCK_CLASS = 0x6c_61_6e_65

/**
 * Reserves a hub's id for one hub among those on a PostgreSQL: the id tells contracts, nodes' states and deliveries of
 * the hubs apart. PostgreSQL releases the lock when the connection ends. The hub takes it again after a broken
 * connection.
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

  /** Runs after the connection broke. */
  const again = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        if (await take()) return
        logger.error({ hub_id: hubId }, 'another hub runs with this id now: give each hub its own id')
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
