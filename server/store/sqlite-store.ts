import type { DatabaseSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import type { AuditKey } from '../audit/audit-chain.ts'
import { CommittedStore } from './committed-store.ts'
import { migrate } from './migrations/migrate.ts'
import {
  databaseFile,
  openForReading,
  openForWriting,
  sqliteFailure,
  sqliteUnusable,
} from './sqlite-database.ts'
import { nodeSqliteDialect } from './sqlite-dialect.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import { SqliteWriterClient } from './sqlite-writer-client.ts'
import type { Store } from './store.ts'
import { StoreReader } from './store-reader.ts'
import type { Tables } from './tables.ts'

export interface SqliteStoreOptions {
  readonly auditKey?: AuditKey | undefined
  /** Most writes that wait for their transaction. */
  readonly maxWaiting?: number
}

const MAX_WAITING = 4096
/** Most writes of a batch, of some 30 us each. The batch delays the writes after it, and in memory the event loop. */
const MAX_BATCH = { file: 256, memory: 32 }

/**
 * The hub's own database in `folder`. A thread of its own waits for the disk when writing: one `fdatasync` can take
 * tens of ms, for which the event loop of media and HTTP must not wait. Reads are answered in this thread, from a
 * connection that no writer delays.
 * @throws CodedError `database_unusable`, `database_too_new`
 */
export async function openSqliteStore(folder: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const file = databaseFile(folder)
  await migrateFile(file)
  await using stack = new AsyncDisposableStack()
  // Closed after the connection that reads, because only a writer can empty the log. So one file is left.
  const writer = stack.use(new SqliteWriterClient({ file, auditKey: options.auditKey }))
  const reading = connect(stack, openForReading(file))
  return new CommittedStore({
    reader: new StoreReader(reading),
    commit: (writes) => writer.commit(writes),
    failure: sqliteFailure,
    maxBatch: MAX_BATCH.file,
    maxWaiting: options.maxWaiting ?? MAX_WAITING,
    owned: stack.move(),
  })
}

/** A store that writes nothing to disk (AMNESIA). Closing the store forgets everything. */
export async function openMemoryStore(options: SqliteStoreOptions = {}): Promise<Store> {
  await using stack = new AsyncDisposableStack()
  const database = openForWriting(':memory:')
  const db = connect(stack, database)
  await migrate(db, 'sqlite')
  const writer = new SqliteWriter(database, options.auditKey)
  return new CommittedStore({
    reader: new StoreReader(db),
    commit: async (writes) => writer.commit(writes),
    failure: sqliteFailure,
    maxBatch: MAX_BATCH.memory,
    maxWaiting: options.maxWaiting ?? MAX_WAITING,
    owned: stack.move(),
  })
}

async function migrateFile(file: string): Promise<void> {
  await using stack = new AsyncDisposableStack()
  try {
    await migrate(connect(stack, openForWriting(file)), 'sqlite')
  } catch (error) {
    throw sqliteUnusable(file, error)
  }
}

/** kysely on a database. Disposing the stack closes both. */
function connect(stack: AsyncDisposableStack, database: DatabaseSync): Kysely<Tables> {
  stack.defer(() => {
    if (database.isOpen) database.close()
  })
  return new Kysely<Tables>({ dialect: nodeSqliteDialect(database) })
}
