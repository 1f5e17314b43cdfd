import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { messageOf } from '../../../common/errors.ts'
import { SETTINGS } from '../../../server/config/settings.ts'
import { type Check, type Finding, fault, fine, named } from '../check.ts'

const WAIT_MS = 5000

/** Whether the hub's database can be reached. */
export const database: Check = {
  name: 'database',
  async run({ config }) {
    if (config.amnesia) return [fine(named(SETTINGS.amnesia), 'all state is in memory')]
    return [config.databaseUrl === '' ? sqlite(config.dataDir) : await postgres(config.databaseUrl)]
  },
}

function sqlite(dataDir: string): Finding {
  const file = join(resolve(dataDir), 'lanecast.sqlite')
  if (!existsSync(file)) return fine(file, 'the first start makes the database')
  try {
    const opened = new DatabaseSync(file, { readOnly: true, timeout: WAIT_MS })
    try {
      opened.prepare('SELECT count(*) FROM sqlite_schema').get()
    } finally {
      opened.close()
    }
    return fine(file, 'the database can be read')
  } catch (error) {
    return fault(
      file,
      `the database can't be read: ${messageOf(error)}`,
      'docs/operations.md, "A damaged database", says what to do',
    )
  }
}

async function postgres(url: string): Promise<Finding> {
  const where = named(SETTINGS.databaseUrl)
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: WAIT_MS,
    query_timeout: WAIT_MS,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query('SHOW server_version')
    return fine(where, `PostgreSQL ${String(rows[0]?.server_version)} answers`)
  } catch (error) {
    // The message may repeat the URL with its password: only the code is shown.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
    return fault(
      where,
      `the database can't be reached: ${code}`,
      'start PostgreSQL, and check host, user, password and database of the URL',
    )
  } finally {
    await client.end().catch(() => {})
  }
}
