import { Kysely, PostgresDialect } from 'kysely'
import type { Logger } from '../../common/logger.ts'
import type { AuditKey } from '../audit/audit-chain.ts'
import { CommittedStore } from './committed-store.ts'
import { migrate } from './migrations/migrate.ts'
import { openPool, postgresFailure, postgresUnusable } from './postgres-pool.ts'
import { PostgresWriter } from './postgres-writer.ts'
import type { Store } from './store.ts'
import { StoreReader } from './store-reader.ts'
import type { Tables } from './tables.ts'

export interface PostgresStoreOptions {
  /** All hubs on one database use the same key. */
  readonly auditKey?: AuditKey | undefined
  readonly logger: Logger
  /** Most writes that wait for their transaction. */
  readonly maxWaiting?: number
}

const MAX_WAITING = 4096
const MAX_BATCH = 256
/** Connections that read. Writes have a connection of their own, so that no flood of reads delays a write. */
const READERS = 7

/**
 * A PostgreSQL that several hubs may share. `url` is a connection string; its password is never shown.
 * @throws CodedError `database_unusable`, `database_too_new`
 */
export async function openPostgresStore(url: string, options: PostgresStoreOptions): Promise<Store> {
  const { auditKey, logger, maxWaiting = MAX_WAITING } = options
  await using stack = new AsyncDisposableStack()
  const connect = (max: number) => {
    const pool = openPool(url, max, (error) =>
      logger.warn({ err: error }, 'an idle database connection broke'),
    )
    stack.defer(() => pool.end())
    return pool
  }
  const reading = connect(READERS)
  const writing = connect(1)
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: reading }) })
  try {
    await migrate(db, 'postgres')
    const { rows } = await reading.query<{ commit: string; fsync: string }>(
      "SELECT current_setting('synchronous_commit') AS commit, current_setting('fsync') AS fsync",
    )
    const durability = rows[0]
    if (durability?.fsync === 'off')
      logger.error('PostgreSQL runs with fsync off: a crash of its machine loses acknowledged writes')
    const writer = new PostgresWriter(writing, auditKey, durability?.commit === 'off')
    return new CommittedStore({
      reader: new StoreReader(db),
      commit: (writes) => writer.commit(writes),
      failure: postgresFailure,
      maxBatch: MAX_BATCH,
      maxWaiting,
      owned: stack.move(),
    })
  } catch (error) {
    throw postgresUnusable(error)
  }
}
