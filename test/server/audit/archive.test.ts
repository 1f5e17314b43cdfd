import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { listArchives } from '../../../server/audit/archive-file.ts'
import { AuditArchiver } from '../../../server/audit/audit-archiver.ts'
import { type VerifyOptions, verifyChain } from '../../../server/audit/verify-chain.ts'
import { readConfig } from '../../../server/config/config.ts'
import { openArchiver, openState } from '../../../server/state.ts'
import { openPostgresStore } from '../../../server/store/postgres-store.ts'
import { openSqliteStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { type PostgresServer, startPostgres, withClient } from '../../support/postgres.ts'
import { keyOf, keyring } from './tampering.ts'

const logger = createLogger('fatal')
const auditKey = keyring.auditKey
const DAY = 86_400_000
const NOW = 1_800_000_000_000
const OLD = 25
const NEW = 5
const root = mkdtempSync(join(tmpdir(), 'lanecast-archive-'))
let server: PostgresServer
test.before(async () => {
  server = await startPostgres()
})
test.after.always(async () => {
  await server?.[Symbol.asyncDispose]()
  rmSync(root, { recursive: true, force: true })
})

const newFolder = () => mkdtempSync(join(root, 'hub-'))

async function fill(store: Store, count: number, at: number): Promise<void> {
  const record = (index: number) => ({
    tenant_id: 't1',
    at: at + index,
    actor: 'token:a',
    action: 'test',
    object: `n${index}`,
    outcome: 'done',
    detail: { text: "it's \u{1f600} ü", index },
  })
  for (let index = 0; index < count; index += 1) await store.write([], [record(index)])
}

interface Rig {
  readonly store: Store
  /** Another hub's connection to the same database, where there can be one. */
  readonly other: Store | null
  readonly archives: string
}

function archiver(store: Store, archives: string, now = NOW): AuditArchiver {
  const failed = (error: unknown) => {
    throw error
  }
  const options = { store, auditKey, logger, failed, folder: archives, keepDays: 30, hubId: 'hub' }
  return new AuditArchiver({ ...options, now: () => now, perFile: 10 })
}

function verifying(store: Store, archives: string, more: VerifyOptions = {}) {
  return verifyChain(store, { keyOf, archives: () => listArchives(archives), ...more })
}

async function sqliteRig(): Promise<Rig & AsyncDisposable> {
  const store = await openSqliteStore(join(newFolder(), 'data'), { auditKey })
  return {
    store,
    other: null,
    archives: newFolder(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

async function postgresRig(): Promise<Rig & AsyncDisposable> {
  const url = await server.createDatabase()
  const [store, other] = [
    await openPostgresStore(url, { auditKey, logger }),
    await openPostgresStore(url, { auditKey, logger }),
  ]
  return {
    store,
    other,
    archives: newFolder(),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
    },
  }
}

for (const [name, open] of [
  ['SQLite', sqliteRig],
  ['PostgreSQL', postgresRig],
] as const) {
  test(`${name}: old records move to files, the chain goes on, and all of it is verified`, async (t) => {
    await using rig = await open()
    const { store, archives } = rig
    await fill(store, OLD, NOW - 40 * DAY)
    await fill(store, NEW, NOW - DAY)
    const before = await store.auditRows(0, 1000)
    await using first = archiver(store, archives)
    await first.run()
    t.deepEqual(readdirSync(archives), [
      'audit-000000000001-000000000010.ndjson.gz',
      'audit-000000000011-000000000020.ndjson.gz',
      'audit-000000000021-000000000025.ndjson.gz',
    ])
    for (const file of readdirSync(archives)) t.is(statSync(join(archives, file)).mode & 0o777, 0o600)
    t.is((await store.auditRows(Number.MIN_SAFE_INTEGER, 1000)).length, NEW + 3, 'three records of archives')
    const verdict = await verifying(store, archives)
    t.like(verdict, {
      ok: true,
      count: OLD + NEW + 3,
      archived: OLD,
      archivesChecked: true,
      sealChecked: true,
    })

    const lines = readdirSync(archives).flatMap((file) =>
      gunzipSync(readFileSync(join(archives, file)))
        .toString()
        .trimEnd()
        .split('\n'),
    )
    t.deepEqual(
      lines.map((line) => JSON.parse(line)),
      before.slice(0, OLD),
      'nothing is lost',
    )

    await first.run()
    t.is(readdirSync(archives).length, 3, 'there is nothing more to do')
    for (const [name, age] of [
      ['young', 0],
      ['old', 2 * DAY],
    ] as const) {
      writeFileSync(join(archives, `${name}.part`), '')
      utimesSync(join(archives, `${name}.part`), (Date.now() - age) / 1000, (Date.now() - age) / 1000)
    }
    await fill(store, 2, NOW + DAY)
    await using later = archiver(store, archives, NOW + 32 * DAY)
    await later.run()
    t.deepEqual(
      readdirSync(archives).filter((name) => name.endsWith('.part')),
      ['young.part'],
    )
    const last = await verifying(store, archives)
    t.like(last, { ok: true, count: OLD + NEW + 3 + 2 + 1, archived: OLD + NEW + 3 + 2 })
    await t.throwsAsync(verifying(store, newFolder()), { code: 'archives_missing' })
    t.like(await verifyChain(store, { keyOf }), { ok: true, archivesChecked: false, sealChecked: true })
    const anchor = { seq: 3, hash: before[2]!.hash }
    t.like(await verifying(store, archives, { anchors: [anchor] }), { ok: true })
    t.like(await verifying(store, archives, { anchors: [{ ...anchor, hash: '0'.repeat(64) }] }), {
      ok: false,
      seq: 3,
    })
  })
}

/** Changes the records of an archive. */
function edit(archives: string, which: number, change: (lines: string[]) => string[]): void {
  const path = join(archives, readdirSync(archives).sort()[which]!)
  const lines = gunzipSync(readFileSync(path)).toString().trimEnd().split('\n')
  writeFileSync(path, gzipSync(`${change(lines).join('\n')}\n`))
}

const SPOILT: Readonly<Record<string, [change: (archives: string) => void, problem: RegExp]>> = {
  'a record edited': [
    (archives) => edit(archives, 0, (lines) => lines.map((line) => line.replace('"n3"', '"n4"'))),
    /record 4: .*edited.*audit-000000000001/,
  ],
  'a record left out': [
    (archives) => edit(archives, 1, (lines) => lines.toSpliced(4, 1)),
    /record 15: it is missing/,
  ],
  'the end cut off': [
    (archives) => edit(archives, 2, (lines) => lines.slice(0, -1)),
    /record 25: .*archives end/,
  ],
  'a line that is no record': [(archives) => edit(archives, 0, () => ['{}']), /can't be read.*no record/],
  'a file cut off': [
    (archives) => {
      const path = join(archives, readdirSync(archives).sort()[0]!)
      writeFileSync(path, readFileSync(path).subarray(0, 100))
    },
    /can't be read/,
  ],
  'a file gone': [(archives) => rmSync(join(archives, readdirSync(archives).sort()[1]!)), /begins with 11/],
  'files swapped': [
    (archives) => {
      const [one = '', two = ''] = readdirSync(archives)
        .sort()
        .map((name) => join(archives, name))
      renameSync(one, `${one}.x`)
      renameSync(two, one)
      renameSync(`${one}.x`, two)
    },
    /record 1: it is missing/,
  ],
}

for (const [what, [spoil, problem]] of Object.entries(SPOILT)) {
  test(`found in archives: ${what}`, async (t) => {
    await using rig = await sqliteRig()
    await fill(rig.store, OLD, NOW - 40 * DAY)
    await using moving = archiver(rig.store, rig.archives)
    await moving.run()
    spoil(rig.archives)
    t.regex(await wordsOf(rig), problem)
  })
}

async function wordsOf({ store, archives }: Rig): Promise<string> {
  try {
    const verdict = await verifying(store, archives)
    return verdict.ok ? 'OK' : `record ${verdict.seq}: ${verdict.problem}`
  } catch (error) {
    return String(error)
  }
}

test('found: records deleted as if they had been archived', async (t) => {
  const url = await server.createDatabase()
  await using store = await openPostgresStore(url, { auditKey, logger })
  await fill(store, OLD, NOW - 40 * DAY)
  const [row] = await store.auditRows(9, 1)
  await withClient(url, async (client) => {
    await t.throwsAsync(client.query('DELETE FROM lanecast_audit WHERE seq <= 10'), {
      message: /append-only/,
    })
    await client.query('UPDATE lanecast_audit_head SET start_seq = 10, start_hash = $1', [row!.hash])
    await client.query('DELETE FROM lanecast_audit WHERE seq <= 10')
    await t.throwsAsync(client.query('DELETE FROM lanecast_audit WHERE seq <= 11'), {
      message: /append-only/,
    })
  })
  t.like(await verifyChain(store), {
    ok: false,
    problem: 'all up to 10 are gone, and no record says that they were archived',
  })
})

test('a trail that is broken is not archived', async (t) => {
  const url = await server.createDatabase()
  await using store = await openPostgresStore(url, { auditKey, logger })
  await fill(store, OLD, NOW - 40 * DAY)
  await withClient(url, async (client) => {
    await client.query('DROP TRIGGER lanecast_audit_keeps_records ON lanecast_audit')
    await client.query("UPDATE lanecast_audit SET actor = 'nobody' WHERE seq = 12")
  })
  const archives = newFolder()
  await using moving = archiver(store, archives)
  await t.throwsAsync(moving.run(), { code: 'audit_broken', message: /record 12/ })
  t.is((await store.auditStart()).seq, 10, 'what was whole is')
  t.deepEqual(readdirSync(archives), ['audit-000000000001-000000000010.ndjson.gz'])
})

test('several hubs that archive at once archive once, and writes go on', async (t) => {
  await using rig = await postgresRig()
  const { store, archives } = rig
  const other = rig.other!
  await fill(store, 60, NOW - 40 * DAY)
  await using one = archiver(store, archives)
  await using two = archiver(other, archives)
  await Promise.all([one.run(), two.run(), fill(store, 10, NOW), fill(other, 10, NOW)])
  await one.run()
  await verified(t, store, archives)
  const said = (await store.auditRows(0, 1000)).filter(({ action }) => action === 'audit.archive')
  t.is(said.length, 6, 'each file once')
})

test('verifying goes on while a hub archives', async (t) => {
  await using rig = await sqliteRig()
  await fill(rig.store, 100, NOW - 40 * DAY)
  await using moving = archiver(rig.store, rig.archives)
  const run = moving.run()
  await verified(t, rig.store, rig.archives)
  await run
  await verified(t, rig.store, rig.archives)
})

async function verified(t: ExecutionContext, store: Store, archives: string): Promise<void> {
  const verdict = await verifying(store, archives)
  t.true(verdict.ok, JSON.stringify(verdict))
}

test('a hub archives where its configuration says so, and keeps all by default', async (t) => {
  const data = join(newFolder(), 'data')
  const configured = (...flags: string[]) => {
    const read = readConfig(['--data-dir', data, ...flags], {}, {})
    if (read === 'help') throw new Error('nobody asked for help')
    return read.config
  }
  const config = configured('--audit-keep-days', '30')
  await using state = await openState(config, {}, logger)
  const failed = (error: unknown) => t.fail(String(error))
  t.is(openArchiver(configured(), state, logger, failed), null)
  t.is(openArchiver(configured('--audit-keep-days', '30', '--amnesia', 'true'), state, logger, failed), null)
  await fill(state.store, OLD, Date.now() - 31 * DAY)
  await using moving = openArchiver(config, state, logger, failed)
  await moving?.run()
  t.deepEqual(readdirSync(`${data}.audit`), ['audit-000000000001-000000000025.ndjson.gz'])
})

test('a crash between the file and the deletion costs nothing', async (t) => {
  await using rig = await sqliteRig()
  await fill(rig.store, OLD, NOW - 40 * DAY)
  const crashing: Store = Object.assign(Object.create(rig.store), {
    cutAudit: () => Promise.reject(new Error('killed')),
    auditRows: (after: number, limit: number) => rig.store.auditRows(after, limit),
    auditStart: () => rig.store.auditStart(),
  })
  await using dying = archiver(crashing, rig.archives)
  await t.throwsAsync(dying.run(), { message: 'killed' })
  t.is(readdirSync(rig.archives).length, 1)
  await verified(t, rig.store, rig.archives)
  await using again = archiver(rig.store, rig.archives)
  await again.run()
  await verified(t, rig.store, rig.archives)
  t.is((await rig.store.auditStart()).seq, OLD)
})
