import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { AuditArchiver } from '../../../server/audit/audit-archiver.ts'
import { keyFileBeside, openKeyring } from '../../../server/store/keyring.ts'
import { openPostgresStore } from '../../../server/store/postgres-store.ts'
import { databaseFile } from '../../../server/store/sqlite-database.ts'
import { openSqliteStore } from '../../../server/store/sqlite-store.ts'
import { startPostgres } from '../../support/postgres.ts'
import { RECORDS, writeRecords } from './tampering.ts'

const PROGRAM = join(import.meta.dirname, '../../../tools/audit-verify.ts')
const root = mkdtempSync(join(tmpdir(), 'lanecast-verify-'))
test.after.always(() => rmSync(root, { recursive: true, force: true }))

async function verify(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { PATH: process.env['PATH'], ...env } })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [code] = await once(child, 'close')
  return { code, output }
}

/** A data folder with records in it, the keys beside it. */
async function writtenFolder() {
  const folder = join(mkdtempSync(join(root, 'hub-')), 'data')
  const keys = keyFileBeside(folder)
  const store = await openSqliteStore(folder, { auditKey: openKeyring(keys).auditKey })
  await writeRecords(store)
  return { folder, keys, store }
}

test('a whole trail is OK, with its count and an anchor that holds later', async (t) => {
  const { folder, store } = await writtenFolder()
  const first = await verify(['--data', folder])
  t.is(first.code, 0, first.output)
  t.regex(
    first.output,
    new RegExp(
      `^SQLite in ${folder} \\(--data\\)\nOK: ${RECORDS} records, seal checked\nanchor: ${RECORDS}:[0-9a-f]{64}\n$`,
    ),
  )
  await writeRecords(store)
  await store[Symbol.asyncDispose]()
  const anchor = /anchor: (\S+)/.exec(first.output)![1]!
  const later = await verify(['--anchor', anchor], { DATA_DIR: folder })
  t.is(later.code, 0, later.output)
  t.regex(
    later.output,
    new RegExp(`^SQLite in ${folder} \\(DATA_DIR of the environment\\)\nOK: ${2 * RECORDS} `),
  )
  const wrong = await verify(['--data', folder, '--anchor', `3:${'0'.repeat(64)}`])
  t.is(wrong.code, 1)
  t.regex(wrong.output, /^BROKEN at record 3: /m)
})

test('the first bad record is named, and the status is 1', async (t) => {
  const { folder, store } = await writtenFolder()
  await store[Symbol.asyncDispose]()
  const database = new DatabaseSync(databaseFile(folder))
  database.exec('DROP TRIGGER lanecast_audit_keeps_records')
  database.exec("UPDATE lanecast_audit SET actor = 'token:nobody' WHERE seq IN (7, 9)")
  database.close()
  const { code, output } = await verify(['--data', folder])
  t.is(code, 1)
  const [, verdict] = output.split('\n')
  t.is(verdict, 'BROKEN at record 7: its content does not fit its hash: it was edited, moved or put in')
})

test('what the hub is given says where, and what wins for the hub wins here', async (t) => {
  const { folder, keys, store } = await writtenFolder()
  await store[Symbol.asyncDispose]()
  const file = join(root, 'lanecast.toml')
  writeFileSync(
    file,
    `[hub]\nbind = "127.0.0.1:0"\ndata_dir = ${JSON.stringify(folder)}\nkeys_file = ${JSON.stringify(keys)}\n`,
  )
  const said = await verify(['--config', file, '--log-level', 'warn'])
  t.regex(said.output, new RegExp(`^SQLite in ${folder} \\(hub.data_dir of the configuration file\\)\nOK: `))

  const other = await writtenFolder()
  await writeRecords(other.store)
  await other.store[Symbol.asyncDispose]()
  const environment = { DATA_DIR: other.folder, KEYS_FILE: other.keys }
  const overruled = await verify(['--config', file], environment)
  t.regex(overruled.output, new RegExp(`^SQLite in ${other.folder} .*\nOK: ${2 * RECORDS} records`))
  const flags = ['--config', file, '--data-dir', folder, '--keys-file', keys]
  const flagged = await verify(flags, environment)
  t.regex(flagged.output, new RegExp(`^SQLite in ${folder} \\(--data-dir\\)\nOK: ${RECORDS} records`))

  const url = { DATABASE_URL: 'postgresql://hub:very-secret@127.0.0.1:1/x?password=hidden' }
  const elsewhere = await verify(['--config', file], url)
  t.is(elsewhere.code, 2, 'the file is not what the hub would use')
  t.regex(elsewhere.output, /^PostgreSQL hub@127\.0\.0\.1:1\/x \(DATABASE_URL of the environment\)/m)
  t.notRegex(elsewhere.output, /very-secret|hidden/)
})

test('what is archived is verified with the rest, and is missed where it is not at hand', async (t) => {
  const { folder, keys, store } = await writtenFolder()
  const archives = join(root, 'archives')
  const options = {
    folder: archives,
    keepDays: 1,
    hubId: 'hub',
    now: Date.now,
    logger: createLogger('fatal'),
  }
  await using archiver = new AuditArchiver({
    ...options,
    store,
    auditKey: openKeyring(keys).auditKey,
    failed: (error) => t.fail(String(error)),
  })
  await archiver.run()
  await store[Symbol.asyncDispose]()
  const whole = await verify(['--data', folder], { AUDIT_ARCHIVE_DIR: archives })
  t.regex(
    whole.output,
    new RegExp(`OK: ${RECORDS + 1} records, ${RECORDS} of them archived and checked, seal checked`),
  )
  const missed = await verify(['--data', folder])
  t.is(missed.code, 2)
  t.regex(missed.output, /records 1 to \d+ are archived, and no archive at hand begins with 1/)
  const given = await verify(['--data', folder, '--archives', archives])
  t.is(given.code, 0, given.output)
  const without = await verify(['--data', folder, '--no-archives'])
  t.is(without.code, 0)
  t.regex(without.output, /archived and not checked, seal checked/)
})

test('a PostgreSQL from the environment is verified', async (t) => {
  await using server = await startPostgres()
  const url = await server.createDatabase()
  const keys = join(root, 'shared.keys')
  await using store = await openPostgresStore(url, {
    logger: createLogger('fatal'),
    auditKey: openKeyring(keys).auditKey,
  })
  await writeRecords(store)
  t.regex((await verify(['--keys', keys], { DATABASE_URL: url })).output, /^OK: 12 records, seal checked/m)
  t.regex((await verify(['--no-keys'], { DATABASE_URL: url })).output, /^OK: 12 records, seal not checked/m)
  const other = await server.createDatabase()
  const empty = await verify(['--no-keys'], { DATABASE_URL: other })
  t.is(empty.code, 2)
})

test('what can not be checked has status 2 and says why', async (t) => {
  const { folder, keys, store } = await writtenFolder()
  await store[Symbol.asyncDispose]()
  const nothing = join(root, 'nothing')
  mkdirSync(nothing)
  const bad = join(root, 'bad.toml')
  writeFileSync(bad, '[hub]\ncolour = "red"\n')
  const cases: [string[], RegExp][] = [
    [['--data-dir', nothing], /there is no database/],
    [['--amnesia', 'true'], /no trail to verify: --amnesia keeps all in memory/],
    [['--config', bad], /hub\.colour \(config file\): unknown/],
    [['--data', nothing], /there is no database/],
    [['--data', folder, '--keys', join(nothing, 'keys')], /master keys are not at hand/],
    [['--data', folder, '--anchor', 'x'], /SEQ:HASH/],
    [['--config', join(nothing, 'x.toml')], /x\.toml \(config file\): .*no such file/],
    [['--dta', folder], /--dta/],
  ]
  for (const [args, message] of cases) {
    const { code, output } = await verify(args)
    t.is(code, 2, output)
    t.regex(output, message)
    t.notRegex(output, /\n {4}at /, 'no stack')
  }
  const chainOnly = await verify(['--data', folder, '--no-keys'])
  t.is(chainOnly.code, 0)
  t.regex(chainOnly.output, /seal not checked/)
  const fromEnvironment = await verify(['--data', folder], {
    SEALING_KEYS: `other:${Buffer.alloc(32).toString('base64')}`,
  })
  t.is(fromEnvironment.code, 1)
  t.regex(fromEnvironment.output, /not among those given/)
  rmSync(keys)
  t.is((await verify(['--data', folder])).code, 2)
})
