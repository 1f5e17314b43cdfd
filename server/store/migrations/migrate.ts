import { type Kysely, sql } from 'kysely'
import { CodedError } from '../../../common/errors.ts'
import type { Tables } from '../tables.ts'
import { documentsAndAudit } from './0001-documents-and-audit.ts'
import { nodeStateOfHubs } from './0002-node-state-of-hubs.ts'
import { auditStart } from './0003-audit-start.ts'
import type { Dialect, Migration } from './migration.ts'

/** All released schemas, in order. */
export const MIGRATIONS: readonly Migration[] = [documentsAndAudit, nodeStateOfHubs, auditStart]

/** Advisory lock, any number: of several hubs that start at once on one PostgreSQL, one migrates, the others wait. */
const POSTGRES_LOCK = 5_293_701_444

/**
 * Brings a database from any released schema, or from none, to the newest schema. One transaction: the database is at
 * the newest schema or untouched.
 * @throws CodedError `database_too_new` when a newer release has written the database
 */
export async function migrate(
  db: Kysely<Tables>,
  dialect: Dialect,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  // kysely's own Migrator neither locks SQLite nor migrates SQLite in a transaction.
  await db.connection().execute(async (connection) => {
    await sql.raw(dialect === 'sqlite' ? 'BEGIN IMMEDIATE' : 'BEGIN').execute(connection)
    try {
      if (dialect === 'postgres')
        await sql`SELECT pg_advisory_xact_lock(${POSTGRES_LOCK})`.execute(connection)
      await bringForward(connection, dialect, migrations)
      await sql.raw('COMMIT').execute(connection)
    } catch (error) {
      // The first error matters more than a rollback that fails on a damaged database.
      await sql
        .raw('ROLLBACK')
        .execute(connection)
        .catch(() => {})
      throw error
    }
  })
}

async function bringForward(
  db: Kysely<Tables>,
  dialect: Dialect,
  migrations: readonly Migration[],
): Promise<void> {
  await db.schema
    .createTable('lanecast_schema')
    .ifNotExists()
    .addColumn('version', 'integer', (column) => column.primaryKey())
    .addColumn('applied_at', 'bigint', (column) => column.notNull())
    .execute()
  const { version: present } = await db
    .selectFrom('lanecast_schema')
    .select(({ fn }) => fn.coalesce(fn.max('version'), sql<number>`0`).as('version'))
    .executeTakeFirstOrThrow()
  const newest = migrations.at(-1)?.version ?? 0
  if (present > newest)
    throw new CodedError(
      'database_too_new',
      `the database has schema ${present}, this release knows up to ${newest}`,
      {
        details: [
          'a newer release has written the database: run that release again; nothing is lost',
          'or go back: stop the hub, and put a back-up from before its first start in place of the database (docs/operations.md, "Back-ups")',
        ],
      },
    )
  for (const { version, statements } of migrations.slice(present)) {
    for (const statement of statements[dialect]) await sql.raw(statement).execute(db)
    await db.insertInto('lanecast_schema').values({ version, applied_at: Date.now() }).execute()
  }
}
