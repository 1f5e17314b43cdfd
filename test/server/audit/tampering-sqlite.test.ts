import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { databaseFile } from '../../../server/store/sqlite-database.ts'
import { openSqliteStore } from '../../../server/store/sqlite-store.ts'
import { keyring, tamperingIsFound, writeRecords } from './tampering.ts'

const root = mkdtempSync(join(tmpdir(), 'lanecast-tampering-'))
test.after.always(() => rmSync(root, { recursive: true, force: true }))

tamperingIsFound(test, async () => {
  const folder = mkdtempSync(join(root, 'data-'))
  const store = await openSqliteStore(folder, { auditKey: keyring.auditKey })
  const database = new DatabaseSync(databaseFile(folder), { timeout: 5000 })
  database.exec('DROP TRIGGER lanecast_audit_keeps_records; DROP TRIGGER lanecast_audit_keeps_all_records')
  return {
    store,
    run: async (sql) => database.exec(sql),
    async [Symbol.asyncDispose]() {
      database.close()
      await store[Symbol.asyncDispose]()
    },
  }
})

test('the database itself keeps records from being changed by mistake', async (t) => {
  const folder = mkdtempSync(join(root, 'data-'))
  await using store = await openSqliteStore(folder)
  await writeRecords(store)
  const database = new DatabaseSync(databaseFile(folder))
  t.throws(() => database.exec("UPDATE lanecast_audit SET actor = 'x'"), { message: /append-only/ })
  t.throws(() => database.exec('DELETE FROM lanecast_audit WHERE seq = 3'), { message: /append-only/ })
  database.close()
})
