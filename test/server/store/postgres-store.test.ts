import { inspect } from 'node:util'
import anyTest, { type TestFn } from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { createLogger } from '../../../common/logger.ts'
import { verifyChain } from '../../../server/audit/verify-chain.ts'
import { holdHubId } from '../../../server/store/hub-id-lock.ts'
import { openPool } from '../../../server/store/postgres-pool.ts'
import { openPostgresStore } from '../../../server/store/postgres-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { type PostgresServer, startPostgres, withClient } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { draft, put, storeCompliance } from './store-compliance.ts'

const logger = createLogger('fatal')
let server: PostgresServer
anyTest.before(async () => {
  server = await startPostgres()
})
anyTest.after.always(() => server?.[Symbol.asyncDispose]())

// One at a time: each has a pool of its own, and the last ones stop the server.
const test = anyTest.serial as TestFn

storeCompliance(test, async (options) =>
  openPostgresStore(await server.createDatabase(), { ...options, logger }),
)

test('several hubs on one database write one chain and lose no count', async (t) => {
  const url = await server.createDatabase()
  const hubs = await Promise.all(Array.from({ length: 3 }, () => openPostgresStore(url, { logger })))
  try {
    await hubs[0]!.write([put('counter', 0)])
    const increment = async (hub: Store): Promise<void> => {
      const { body, version } = (await hub.get('node', 't1', 'counter'))!
      try {
        await hub.write([put('counter', Number(body) + 1, version)], [draft('increment')])
      } catch (error) {
        if (error instanceof CodedError && error.code === 'version_conflict') return increment(hub)
        throw error
      }
    }
    const creates = hubs.flatMap((hub) =>
      Array.from({ length: 20 }, (_, index) => hub.write([put(`n${index}`, index, 0)], [draft('create')])),
    )
    await Promise.all(hubs.flatMap((hub) => Array.from({ length: 8 }, () => increment(hub))))
    const made = (await Promise.allSettled(creates)).filter(({ status }) => status === 'fulfilled')
    t.is(made.length, 20, 'each is created by one hub only')
    t.like(await hubs[1]!.get('node', 't1', 'counter'), { body: 24, version: 25 })
    t.like(await verifyChain(hubs[2]!), { ok: true, count: 44 })
  } finally {
    for (const hub of hubs) await hub[Symbol.asyncDispose]()
  }
})

test('a hub’s id is its own on a database, and is held again after the server was away', async (t) => {
  const url = await server.createDatabase()
  const take = (hubId: string) => holdHubId(url, hubId, logger, 10)
  const held = await take('hub-a')
  await t.throwsAsync(take('hub-a'), { code: 'hub_id_taken' })
  await (await take('hub-b'))[Symbol.asyncDispose]()
  await server.crash()
  await until(
    async () => {
      const second = await take('hub-a').catch(() => null)
      await second?.[Symbol.asyncDispose]()
      return second === null
    },
    'the lock is taken anew',
    10_000,
  )
  await held[Symbol.asyncDispose]()
  await (await take('hub-a'))[Symbol.asyncDispose]()
})

test('a hub whose server is not there, or has no such database, says so without the password', async (t) => {
  const url = new URL(await server.createDatabase())
  url.pathname = '/not_there'
  url.password = 'sesame'
  const missing = await t.throwsAsync(openPostgresStore(url.href, { logger }), { instanceOf: CodedError })
  t.is(missing?.code, 'database_unusable')
  t.regex(missing!.details.join(), /createdb/)
  for (const unreachable of [
    'postgresql://u:sesame@127.0.0.1:1/x',
    'postgresql://u:sesame@[half/x',
    'postgres://%zz:sesame@x/',
  ]) {
    const error = await t.throwsAsync(openPostgresStore(unreachable, { logger }), { instanceOf: CodedError })
    t.is(error?.code, 'database_unusable')
    t.notRegex(inspect(error, { depth: 9 }), /sesame/)
  }
})

test('a hub stopped in the middle of a transaction holds up the others for a while only', async (t) => {
  const url = await server.createDatabase()
  const pool = openPool(url, 1, () => undefined)
  const { rows } = await pool.query<{ idle: string; statement: string }>(
    "SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('statement_timeout') AS statement",
  )
  await pool.end()
  t.deepEqual(rows, [{ idle: '10s', statement: '15s' }])
  await using store = await openPostgresStore(url, { logger })
  await withClient(url, async (stopped) => {
    await stopped.query("SET idle_in_transaction_session_timeout = '300ms'")
    await stopped.query('BEGIN; SELECT * FROM lanecast_audit_head FOR UPDATE')
    t.deepEqual(await store.write([put('n1', 1)]), [1])
  })
})

test('a server crash fails what is under way, loses nothing acknowledged, and is survived', async (t) => {
  const url = await server.createDatabase()
  // What this setting would lose in a crash: the store does not let it.
  await withClient(url, (client) =>
    client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`),
  )
  await using store = await openPostgresStore(url, { logger })
  const acknowledged: string[] = []
  const failures: string[] = []
  const ended = new AbortController()
  const writers = Array.from({ length: 16 }, async (_, writer) => {
    for (let index = 0; !ended.signal.aborted; index++) {
      const id = `n${writer}-${index}`
      try {
        await store.write([put(id, index)], [draft('put')])
        acknowledged.push(id)
      } catch (error) {
        failures.push(error instanceof CodedError ? error.code : String(error))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })
  await until(() => acknowledged.length > 200, 'writes flow')
  await server.crash()
  const before = acknowledged.length
  await until(() => acknowledged.length > before + 200, 'writes flow again')
  ended.abort()
  await Promise.all(writers)
  t.true(failures.length > 0)
  t.deepEqual(
    [...new Set(failures)].filter((code) => !['store_unavailable', 'store_outcome_unknown'].includes(code)),
    [],
  )
  const present = new Set((await store.list('node', 't1')).map(({ id }) => id))
  t.deepEqual(
    acknowledged.filter((id) => !present.has(id)),
    [],
  )
  t.true((await verifyChain(store)).ok)
  await withClient(url, async (client) => {
    const { rows } = await client.query('SELECT count(*)::int AS count FROM lanecast_audit')
    t.is(rows[0].count, present.size, 'a record for each document, whatever was lost')
  })
})
