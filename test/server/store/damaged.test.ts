import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { verifyChain } from '../../../server/audit/verify-chain.ts'
import { holdFolder } from '../../../server/store/folder-lock.ts'
import { openAuditSource } from '../../../server/store/open-audit-source.ts'
import { databaseFile } from '../../../server/store/sqlite-database.ts'
import { openSqliteStore } from '../../../server/store/sqlite-store.ts'
import { MEND_SQLITE } from '../../../server/store/store-errors.ts'
import { draft, put } from './store-compliance.ts'

const root = mkdtempSync(join(tmpdir(), 'lanecast-damaged-'))
test.after.always(() => rmSync(root, { recursive: true, force: true }))

const PAGE = 4096

/** A database of many pages, whole. */
async function filled(): Promise<string> {
  const folder = join(mkdtempSync(join(root, 'hub-')), 'data')
  await using store = await openSqliteStore(folder)
  for (let batch = 0; batch < 20; batch += 1) {
    const texts = Array.from({ length: 20 }, (_, index) => `n${batch}-${index}`)
    await store.write(
      texts.map((id) => put(id, 'x'.repeat(500))),
      texts.map((id) => draft(id)),
    )
  }
  return folder
}

/** Opens the store and reads all there is, as a hub that starts does. */
async function start(folder: string): Promise<void> {
  await using store = await openSqliteStore(folder)
  await store.list('node', null)
}

function overwrite(file: string, from: number, to: number): void {
  const bytes = readFileSync(file)
  bytes.fill(0xa5, from, to)
  writeFileSync(file, bytes)
}

/** What happened to the file, by what anybody would call it. */
const DAMAGES: Readonly<Record<string, (file: string) => void>> = {
  'overwritten with something else': (file) => writeFileSync(file, 'not a database '.repeat(1000)),
  'with its header spoilt': (file) => overwrite(file, 0, 100),
  'cut off in the middle': (file) => truncateSync(file, readFileSync(file).length / 2),
  'with pages spoilt in the middle': (file) => overwrite(file, 4 * PAGE, readFileSync(file).length),
  'with a table missing': (file) => {
    const database = new DatabaseSync(file)
    database.exec('DROP TABLE lanecast_document')
    database.close()
  },
  'with a document that somebody edited': (file) => {
    const database = new DatabaseSync(file)
    database.exec(`UPDATE lanecast_document SET body = '{"half' WHERE id = 'n3-3'`)
    database.close()
  },
}

for (const [how, damage] of Object.entries(DAMAGES)) {
  test(`a database ${how} is refused with what to do`, async (t) => {
    const folder = await filled()
    damage(databaseFile(folder))
    const error = await t.throwsAsync(start(folder), { instanceOf: CodedError })
    t.log(error?.message)
    t.is(error?.code, 'database_damaged')
    t.is(error?.status, 503)
    t.regex(error!.details.join('\n'), /back-up/)
    t.regex(error!.details.join('\n'), /docs\/operations\.md, "A damaged database"/)
  })
}

test('verifying the trail reports damage, too', async (t) => {
  const folder = await filled()
  overwrite(databaseFile(folder), 4 * PAGE, readFileSync(databaseFile(folder)).length)
  const verifying = async () => {
    await using source = await openAuditSource({ kind: 'sqlite', folder })
    await verifyChain(source)
  }
  const error = await t.throwsAsync(verifying(), { instanceOf: CodedError, code: 'database_damaged' })
  t.regex(error!.details.join('\n'), /back-up/)
})

test('what the advice says works: save what can be read', async (t) => {
  const folder = await filled()
  const file = databaseFile(folder)
  const pages = readFileSync(file).length / PAGE
  overwrite(file, (pages - 3) * PAGE, (pages - 2) * PAGE)
  const recovered = join(mkdtempSync(join(root, 'recovered-')), 'data')
  mkdirSync(recovered, { mode: 0o700 })
  const save = /sqlite3 .+recovered\.sqlite/.exec(MEND_SQLITE.join('\n'))![0]
  const asTold = save.replace('lanecast.sqlite', file).replace('recovered.sqlite', databaseFile(recovered))
  execFileSync('bash', ['-c', asTold], { stdio: 'pipe' })
  await start(recovered)
  await using store = await openSqliteStore(recovered)
  t.true((await store.list('node', 't1')).length > 300)
  await store.write([put('after', 1)], [draft('after')])
})

test('a damaged lock file is no other hub', async (t) => {
  const folder = mkdtempSync(join(root, 'lock-'))
  writeFileSync(join(folder, 'hub.lock'), 'not a database '.repeat(1000))
  const error = t.throws(() => holdFolder(folder, 10), { instanceOf: CodedError, code: 'database_damaged' })
  t.regex(error!.details.join(), /delete the file/)
})
