import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { CodedError } from '../../../common/errors.ts'
import { createLogger } from '../../../common/logger.ts'
import { verifyChain } from '../../../server/audit/verify-chain.ts'
import { MIGRATIONS, migrate } from '../../../server/store/migrations/migrate.ts'
import type { Dialect, Migration } from '../../../server/store/migrations/migration.ts'
import { openPool } from '../../../server/store/postgres-pool.ts'
import { openPostgresStore } from '../../../server/store/postgres-store.ts'
import { databaseFile } from '../../../server/store/sqlite-database.ts'
import { nodeSqliteDialect } from '../../../server/store/sqlite-dialect.ts'
import { openSqliteStore } from '../../../server/store/sqlite-store.ts'
import type { Tables } from '../../../server/store/tables.ts'
import { type PostgresServer, startPostgres, withClient } from '../../support/postgres.ts'
import { keyOf, keyring } from '../audit/tampering.ts'
import { FIXTURE_RECORDS, hasFixture } from './fixture-content.ts'
import { draft, put } from './store-compliance.ts'

const fixtures = join(import.meta.dirname, 'fixtures')
const logger = createLogger('fatal')
const auditKey = keyring.auditKey
const newest = MIGRATIONS.at(-1)!.version
const root = mkdtempSync(join(tmpdir(), 'lanecast-migrations-'))
let server: PostgresServer
test.before(async () => {
  server = await startPostgres()
})
test.after.always(async () => {
  await server?.[Symbol.asyncDispose]()
  rmSync(root, { recursive: true, force: true })
})

test('migrations count from 1', (t) => {
  t.deepEqual(
    MIGRATIONS.map(({ version }) => version),
    MIGRATIONS.map((_, index) => index + 1),
  )
})

for (const { version } of MIGRATIONS) {
  test(`a SQLite database of schema ${version} is brought forward`, async (t) => {
    const folder = mkdtempSync(join(root, 'data-'))
    copyFileSync(join(fixtures, `schema-${version}.sqlite`), databaseFile(folder))
    await using store = await openSqliteStore(folder, { auditKey })
    t.true(await hasFixture(store))
    t.like(await verifyChain(store, { keyOf }), { ok: true, count: FIXTURE_RECORDS, sealChecked: true })
    await store.write([put('new', 1, 0)], [draft('after')])
    t.like(await verifyChain(store, { keyOf }), { ok: true, count: FIXTURE_RECORDS + 1 })
  })

  test(`a PostgreSQL database of schema ${version} is brought forward`, async (t) => {
    const url = await server.createDatabase()
    await withClient(url, (client) =>
      client.query(readFileSync(join(fixtures, `schema-${version}.sql`), 'utf8')),
    )
    await using store = await openPostgresStore(url, { auditKey, logger })
    t.true(await hasFixture(store))
    t.like(await verifyChain(store, { keyOf }), { ok: true, count: FIXTURE_RECORDS, sealChecked: true })
    await store.write([put('new', 1, 0)], [draft('after')])
    t.like(await verifyChain(store, { keyOf }), { ok: true, count: FIXTURE_RECORDS + 1 })
  })
}

test('a database of a newer release is refused and left alone', async (t) => {
  const folder = join(root, 'future')
  await (await openSqliteStore(folder))[Symbol.asyncDispose]()
  const database = new DatabaseSync(databaseFile(folder))
  database.exec(`INSERT INTO lanecast_schema VALUES (${newest + 1}, 0)`)
  database.close()
  const before = readFileSync(databaseFile(folder))
  const error = await t.throwsAsync(openSqliteStore(folder), {
    instanceOf: CodedError,
    code: 'database_too_new',
  })
  t.regex(error!.message, new RegExp(`schema ${newest + 1}.*up to ${newest}`))
  t.deepEqual(readFileSync(databaseFile(folder)), before)

  const url = await server.createDatabase()
  await (await openPostgresStore(url, { logger }))[Symbol.asyncDispose]()
  await withClient(url, (client) => client.query(`INSERT INTO lanecast_schema VALUES (${newest + 1}, 0)`))
  await t.throwsAsync(openPostgresStore(url, { logger }), { code: 'database_too_new' })
})

test('hubs that start at once migrate once', async (t) => {
  const url = await server.createDatabase()
  const stores = await Promise.all(Array.from({ length: 4 }, () => openPostgresStore(url, { logger })))
  for (const store of stores) await store[Symbol.asyncDispose]()
  t.is(stores.length, 4)
})

const step = (version: number, ...statements: string[]): Migration => ({
  version,
  name: `step ${version}`,
  statements: { sqlite: statements, postgres: statements },
})

async function databases(): Promise<[Dialect, Kysely<Tables>][]> {
  mkdirSync(root, { recursive: true })
  const pool = openPool(await server.createDatabase(), 1, () => undefined)
  return [
    ['sqlite', new Kysely<Tables>({ dialect: nodeSqliteDialect(new DatabaseSync(':memory:')) })],
    ['postgres', new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })],
  ]
}

test('steps run in order, once', async (t) => {
  for (const [dialect, db] of await databases()) {
    const one = step(1, 'CREATE TABLE a (n INTEGER)', 'INSERT INTO a VALUES (1)')
    const two = step(2, 'ALTER TABLE a ADD COLUMN m INTEGER', 'UPDATE a SET m = n + 1')
    const three = step(3, 'INSERT INTO a SELECT m, m + 1 FROM a')
    await migrate(db, dialect, [one])
    await migrate(db, dialect, [one])
    await migrate(db, dialect, [one, two, three])
    const { rows } = await sql`SELECT n, m FROM a ORDER BY n`.execute(db)
    t.deepEqual(
      rows.map((row) => ({ ...(row as object) })),
      [
        { n: 1, m: 2 },
        { n: 2, m: 3 },
      ],
    )
    await db.destroy()
  }
})

test('a step that fails leaves the schema that was there', async (t) => {
  for (const [dialect, db] of await databases()) {
    const one = step(1, 'CREATE TABLE a (n INTEGER)')
    await migrate(db, dialect, [one])
    const two = step(2, 'CREATE TABLE b (n INTEGER)', 'INSERT INTO a VALUES (1)')
    await t.throwsAsync(migrate(db, dialect, [one, two, step(3, 'INSERT INTO not_there VALUES (1)')]))
    t.deepEqual((await sql`SELECT n FROM a`.execute(db)).rows, [])
    await t.throwsAsync(sql`SELECT n FROM b`.execute(db))
    await migrate(db, dialect, [one, two])
    t.is((await sql`SELECT n FROM a`.execute(db)).rows.length, 1)
    await db.destroy()
  }
})

test('what hubs with an id of their own learned of nodes moves to where a delete finds it', async (t) => {
  const cut = `node-state.${'x'.repeat(53)}`
  for (const [dialect, db] of await databases()) {
    await migrate(db, dialect, MIGRATIONS.slice(0, 1))
    for (const kind of ['node-state', 'node-state.hub-north', cut, 'node', 'node-states'])
      await sql`INSERT INTO lanecast_document VALUES (${kind}, 't1', 'n1', 1, '{}', 0)`.execute(db)
    await migrate(db, dialect)
    const { rows } = await sql<{
      name: string
    }>`SELECT kind || ' ' || id AS name FROM lanecast_document`.execute(db)
    t.deepEqual(
      rows.map(({ name }) => name).sort(),
      ['node n1', 'node-state n1', 'node-state n1/hub-north', 'node-states n1'],
      'one that may be of two hubs is nobody’s',
    )
    await db.destroy()
  }
})

test('every released schema has its fixtures', (t) => {
  for (const { version } of MIGRATIONS)
    for (const ending of ['sqlite', 'sql']) t.true(existsSync(join(fixtures, `schema-${version}.${ending}`)))
})
