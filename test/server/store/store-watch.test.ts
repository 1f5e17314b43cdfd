import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { createLogger } from '../../../common/logger.ts'
import { openPostgresStore } from '../../../server/store/postgres-store.ts'
import { openMemoryStore, openSqliteStore } from '../../../server/store/sqlite-store.ts'
import type { LastCommit, Store } from '../../../server/store/store.ts'
import { STORE_WATCH_RULES, StoreWatch } from '../../../server/store/store-watch.ts'
import { startPostgres } from '../../support/postgres.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { until } from '../../support/until.ts'
import { put } from './store-compliance.ts'

/** A watch of a store that answers its writes as ordered, at a time that stands still. */
function watched() {
  let now = 0
  let failing: CodedError | null = null
  let lastCommit: LastCommit = { failure: null, at: null }
  let writes = 0
  const reports: (string | null)[] = []
  const write = async () => {
    writes += 1
    if (failing?.status !== 500) lastCommit = { failure: failing, at: now }
    if (failing) throw failing
    return [1]
  }
  const store = {
    get lastCommit() {
      return lastCommit
    },
    write,
  }
  const watch = new StoreWatch({
    store,
    hubId: 'hub',
    report: (failure) => reports.push(failure),
    now: () => now,
  })
  return {
    watch,
    reports,
    write: () => write().catch(() => {}),
    writes: () => writes,
    fail: (error: CodedError | null) => {
      failing = error
    },
    /** Lets time pass, looking as often as the watch itself does. */
    async pass(ms: number) {
      for (const end = now + ms; now < end; ) {
        now += 250
        watch.look()
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

const full = new CodedError('store_full', "the database's disk is full")

test('a write that fails is known at once, and its end without anybody writing', async (t) => {
  const { watch, reports, write, writes, fail, pass } = watched()
  await using _watch = watch
  t.is(watch.failure, null)
  fail(full)
  await write()
  t.is(watch.failure, "the database's disk is full (store_full)")
  await pass(10_000)
  t.true(writes() >= 9 && writes() <= 11, `${writes()} writes in 10 s`)
  t.true(reports.length >= 9 && reports.length <= 11, `${reports.length} reports in 10 s`)
  t.is(reports.at(-1), "nothing can be stored for 9 s: the database's disk is full (store_full)")
  fail(null)
  await pass(STORE_WATCH_RULES.retryMs + 250)
  t.is(watch.failure, null)
  t.is(reports.at(-1), null)
})

test('a store that nobody writes to is tried seldom, and found out', async (t) => {
  const { watch, reports, write, writes, fail, pass } = watched()
  await using _watch = watch
  await pass(60_000)
  t.is(writes(), 4)
  for (let second = 0; second < 60; second += 1) {
    await pass(1000)
    await write()
  }
  t.is(writes(), 64, 'where others write, the watch writes nothing')
  fail(full)
  await pass(STORE_WATCH_RULES.idleMs + 250)
  t.truthy(watch.failure)
  t.is(reports.length, 1)
})

test('what refuses everything is no fault of what is written', async (t) => {
  const { watch, write, fail, pass } = watched()
  await using _watch = watch
  fail(new CodedError('store_failed', 'the database refused'))
  await write()
  t.is(watch.failure, null, 'it may be that write')
  await pass(STORE_WATCH_RULES.idleMs + 250)
  t.is(watch.failure, 'the database refused')
  fail(null)
  await write()
  await pass(STORE_WATCH_RULES.retryMs + 250)
  t.is(watch.failure, null)
})

/** Quick enough for a test. */
const rules = { retryMs: 100, idleMs: 300 }

function watching(store: Store) {
  const reports: (string | null)[] = []
  return {
    reports,
    watch: new StoreWatch({ store, hubId: 'hub', rules, report: (text) => reports.push(text) }),
  }
}

test('a full disk is seen, and that there is room again', async (t) => {
  const disk = mountSmallDisk()
  if (!disk) return t.log('only root may mount a small disk')
  using _disk = disk
  await using store = await openSqliteStore(disk.folder)
  const { watch, reports } = watching(store)
  await using _watch = watch
  await store.write([put('before', 1)])
  t.is(watch.failure, null)
  disk.fill()
  await t.throwsAsync(store.write([put('full', 'x'.repeat(100_000))]), { code: 'store_full' })
  t.regex(watch.failure ?? '', /disk is full/)
  await until(() => reports.length > 1, 'it is told while it lasts')
  disk.clear()
  await until(() => watch.failure === null && reports.at(-1) === null, 'there is room again')
  t.is((await store.get('node', 't1', 'before'))?.version, 1)
})

test('a PostgreSQL that is away is seen where nobody writes, and that it is back', async (t) => {
  await using server = await startPostgres()
  await using store = await openPostgresStore(await server.createDatabase(), {
    logger: createLogger('fatal'),
  })
  const { watch, reports } = watching(store)
  await using _watch = watch
  await server.stop()
  await until(() => reports.length > 1, 'it is away')
  t.regex(watch.failure ?? '', /can't be reached/)
  await server.start()
  await until(() => watch.failure === null && reports.at(-1) === null, 'it is back')
})

test('a watch that is closed writes no more', async (t) => {
  await using store = await openMemoryStore()
  const { watch } = watching(store)
  await until(() => store.lastCommit.at !== null, 'a write of its own')
  await watch[Symbol.asyncDispose]()
  const { at } = store.lastCommit
  await new Promise((resolve) => setTimeout(resolve, 400))
  t.is(store.lastCommit.at, at)
})
