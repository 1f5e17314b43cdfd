import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { openStore } from '../../../server/store/open-store.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import { put, storeCompliance } from './store-compliance.ts'

storeCompliance(test, openMemoryStore)

test.serial('nothing is written to disk', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-amnesia-'))
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => {
    process.chdir(before)
    rmSync(folder, { recursive: true })
  })
  await using store = await openStore({ kind: 'memory' }, { logger: createLogger('info') })
  // Enough to make SQLite look for a place outside its cache.
  await store.write(Array.from({ length: 30 }, (_, index) => put(`n${index}`, 'x'.repeat(1_000_000))))
  t.is((await store.list('node', 't1')).length, 30)
  t.deepEqual(readdirSync(folder), [])
})
