import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../../common/logger.ts'
import { MIGRATIONS } from '../../../server/store/migrations/migrate.ts'
import { openPostgresStore } from '../../../server/store/postgres-store.ts'
import { databaseFile } from '../../../server/store/sqlite-database.ts'
import { openSqliteStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { postgresPrograms, startPostgres } from '../../support/postgres.ts'
import { keyring } from '../audit/tampering.ts'
import { writeFixture } from './fixture-content.ts'

/**
 * Makes the fixtures of the newest schema, once, before its release: `node test/server/store/make-fixture-main.ts`.
 * Fixtures of earlier schemas are never made again.
 */

const fixtures = join(import.meta.dirname, 'fixtures')
const version = MIGRATIONS.at(-1)!.version
const auditKey = keyring.auditKey

async function filled(store: Store): Promise<void> {
  await writeFixture(store)
  await store[Symbol.asyncDispose]()
}

const folder = mkdtempSync(join(tmpdir(), 'lanecast-fixture-'))
await filled(await openSqliteStore(folder, { auditKey }))
copyFileSync(databaseFile(folder), join(fixtures, `schema-${version}.sqlite`))
rmSync(folder, { recursive: true })

await using server = await startPostgres()
const url = await server.createDatabase()
await filled(await openPostgresStore(url, { auditKey, logger: createLogger('warn') }))
const dump = execFileSync(
  join(postgresPrograms(), 'pg_dump'),
  ['--no-owner', '--no-privileges', '--rows-per-insert', '100', url],
  { encoding: 'utf8' },
)
// Lines that only psql understands, and settings that other releases of PostgreSQL may not have.
const lines = dump.split('\n').filter((line) => !/^(\\|SET |--|$)/.test(line))
writeFileSync(join(fixtures, `schema-${version}.sql`), `${lines.join('\n')}\n`)
