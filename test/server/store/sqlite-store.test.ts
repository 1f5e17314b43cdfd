import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { prepareWrite } from '../../../server/store/prepared-write.ts'
import { databaseFile } from '../../../server/store/sqlite-database.ts'
import { openSqliteStore } from '../../../server/store/sqlite-store.ts'
import { SqliteWriterClient } from '../../../server/store/sqlite-writer-client.ts'
import { put, storeCompliance } from './store-compliance.ts'

const root = mkdtempSync(join(tmpdir(), 'lanecast-sqlite-'))
let folders = 0
const newFolder = () => join(root, `data-${++folders}`)
test.after.always(() => rmSync(root, { recursive: true, force: true }))

storeCompliance(test, (options) => openSqliteStore(newFolder(), options))

test('what was written is there when it is opened again', async (t) => {
  const folder = newFolder()
  for (let round = 1; round <= 3; round++) {
    await using store = await openSqliteStore(folder)
    t.is((await store.list('node', 't1')).length, round - 1)
    await store.write([put(`n${round}`, round)])
  }
  t.deepEqual(readdirSync(folder), ['lanecast.sqlite'], 'nothing is left beside it')
})

test('only the owner can read it', async (t) => {
  const folder = newFolder()
  await using store = await openSqliteStore(folder)
  await store.write([put('n1', 1)])
  t.is(statSync(folder).mode & 0o777, 0o700)
  const modes = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode & 0o777])
  t.deepEqual(modes, [
    ['lanecast.sqlite', 0o600],
    ['lanecast.sqlite-shm', 0o600],
    ['lanecast.sqlite-wal', 0o600],
  ])
})

test('two processes may write to one file', async (t) => {
  const folder = newFolder()
  await using first = await openSqliteStore(folder)
  await using second = await openSqliteStore(folder)
  await Promise.all(
    [first, second].flatMap((store, which) =>
      Array.from({ length: 30 }, (_, index) => store.write([put(`n${which}-${index}`, index)])),
    ),
  )
  t.is((await first.list('node', 't1')).length, 60)
})

test('a file that is no database is refused in words', async (t) => {
  const folder = newFolder()
  await (await openSqliteStore(folder))[Symbol.asyncDispose]()
  writeFileSync(databaseFile(folder), 'not a database '.repeat(1000))
  const error = await t.throwsAsync(openSqliteStore(folder), {
    instanceOf: CodedError,
    code: 'database_damaged',
  })
  t.regex(error!.message, /damaged, or no SQLite database/)
  const nowhere = join(databaseFile(folder), 'inside-a-file')
  await t.throwsAsync(openSqliteStore(nowhere), { instanceOf: CodedError, code: 'database_unusable' })
})

test('a lock held elsewhere fails writes in words, and they work again when it is gone', async (t) => {
  const folder = newFolder()
  await using store = await openSqliteStore(folder)
  await store.write([put('n1', 1)])
  const other = new DatabaseSync(databaseFile(folder))
  other.exec('BEGIN IMMEDIATE')
  const error = await t.throwsAsync(store.write([put('n1', 2)]), {
    instanceOf: CodedError,
    code: 'store_unavailable',
  })
  t.regex(String(error?.cause), /locked/)
  t.is((await store.get('node', 't1', 'n1'))?.body, 1, 'reads do not wait')
  other.exec('ROLLBACK')
  other.close()
  await store.write([put('n1', 2)])
})

test("a writer's thread that dies fails its batch, and the next batch has another", async (t) => {
  const folder = newFolder()
  writeFileSync(folder, 'in the way')
  await using writer = new SqliteWriterClient({ file: databaseFile(folder), auditKey: undefined })
  const batch = [prepareWrite([put('n1', 1)], [], 0)]
  await t.throwsAsync(writer.commit(batch), { instanceOf: CodedError, code: 'store_outcome_unknown' })
  rmSync(folder)
  await (await openSqliteStore(folder))[Symbol.asyncDispose]()
  t.deepEqual(await writer.commit(batch), [[1]])
})
