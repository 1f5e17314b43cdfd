import anyTest, { type TestFn } from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { openPostgresStore } from '../../../server/store/postgres-store.ts'
import { type PostgresServer, startPostgres, withClient } from '../../support/postgres.ts'
import { keyring, tamperingIsFound, writeRecords } from './tampering.ts'

const logger = createLogger('fatal')
let server: PostgresServer
anyTest.before(async () => {
  server = await startPostgres()
})
anyTest.after.always(() => server?.[Symbol.asyncDispose]())
const test = anyTest.serial as TestFn

tamperingIsFound(test, async () => {
  const url = await server.createDatabase()
  const store = await openPostgresStore(url, { logger, auditKey: keyring.auditKey })
  await withClient(url, (client) =>
    client.query(
      'DROP TRIGGER lanecast_audit_keeps_records ON lanecast_audit; DROP TRIGGER lanecast_audit_keeps_all_records ON lanecast_audit',
    ),
  )
  return {
    store,
    run: async (sql) => {
      await withClient(url, (client) => client.query(sql))
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
})

test('the database itself keeps records from being changed by mistake', async (t) => {
  const url = await server.createDatabase()
  await using store = await openPostgresStore(url, { logger })
  await writeRecords(store)
  for (const sql of [
    "UPDATE lanecast_audit SET actor = 'x'",
    'DELETE FROM lanecast_audit',
    'TRUNCATE lanecast_audit',
  ])
    await t.throwsAsync(
      withClient(url, (client) => client.query(sql)),
      { message: /append-only/ },
    )
})
