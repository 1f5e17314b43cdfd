import { createHash } from 'node:crypto'
import type { TestFn } from 'ava'
import { appendToChain } from '../../../server/audit/audit-chain.ts'
import { type AuditRow, auditHash, GENESIS_HASH } from '../../../server/audit/audit-record.ts'
import { type AuditSource, verifyChain } from '../../../server/audit/verify-chain.ts'
import { Keyring } from '../../../server/store/keyring.ts'
import type { Store } from '../../../server/store/store.ts'

export const keyring = new Keyring([
  { id: 'first', key: createHash('sha256').update('first').digest('base64') },
  { id: 'second', key: createHash('sha256').update('second').digest('base64') },
])
export const keyOf = (id: string) => keyring.derive(id, 'audit')

/** A database whose owner can do anything with it: the hub's guards are removed. */
export interface TamperedDatabase extends AsyncDisposable {
  readonly store: Store
  run(sql: string): Promise<void>
}

export const RECORDS = 12

/** Writes `RECORDS` records in several transactions. */
export async function writeRecords(store: Store): Promise<void> {
  for (let index = 1; index <= RECORDS; index++)
    await store.write(
      [{ op: 'put', kind: 'node', tenant_id: 't1', id: `n${index}`, body: index }],
      [
        {
          tenant_id: 't1',
          at: index,
          actor: 'token:admin',
          action: 'put',
          object: `node:n${index}`,
          outcome: 'done',
          detail: { index },
        },
      ],
    )
}

const COLUMNS = 'seq, tenant_id, at, actor, action, object, outcome, detail, prev_hash, hash'

function insertion(row: AuditRow): string {
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`
  const { seq, tenant_id, at, actor, action, object, outcome, detail, prev_hash, hash } = row
  return `INSERT INTO lanecast_audit (${COLUMNS}) VALUES (${seq}, ${text(tenant_id)}, ${at}, ${[actor, action, object, outcome, detail, prev_hash, hash].map(text).join(', ')})`
}

/** A forgery by somebody who knows how the chain is made: everything from `from` on, with right hashes. */
async function recompute(
  source: AuditSource,
  from: number,
  edit: (row: AuditRow) => Partial<AuditRow>,
): Promise<AuditRow[]> {
  const rows = await source.auditRows(from - 1, 1000)
  let previous = (await source.auditRows(from - 2, 1))[0]?.hash ?? GENESIS_HASH
  if (from === 1) previous = GENESIS_HASH
  return rows.map((row) => {
    const changed = { ...row, ...(row.seq === from ? edit(row) : {}), prev_hash: previous }
    previous = auditHash(changed)
    return { ...changed, hash: previous }
  })
}

interface Tampering {
  readonly what: string
  readonly how: (database: TamperedDatabase) => Promise<void>
  /** The record that must be named. */
  readonly seq: number
  readonly problem: RegExp
}

const sql =
  (...statements: string[]) =>
  async (database: TamperedDatabase) => {
    for (const statement of statements) await database.run(statement)
  }

const TAMPERINGS: readonly Tampering[] = [
  ...Object.entries({
    tenant_id: "'t2'",
    at: '99',
    actor: "'nobody'",
    action: "'get'",
    object: "'node:n9'",
    outcome: "'refused'",
    detail: `'{"index":6}'`,
    hash: `'${'a'.repeat(64)}'`,
  }).map(([column, value]) => ({
    what: `${column} edited`,
    how: sql(`UPDATE lanecast_audit SET ${column} = ${value} WHERE seq = 5`),
    seq: 5,
    problem: /does not fit its hash/,
  })),
  {
    what: 'detail made unreadable',
    how: sql(`UPDATE lanecast_audit SET detail = '{"index' WHERE seq = 7`),
    seq: 7,
    problem: /does not fit its hash/,
  },
  {
    what: 'first record removed',
    how: sql('DELETE FROM lanecast_audit WHERE seq = 1'),
    seq: 1,
    problem: /missing/,
  },
  {
    what: 'one removed',
    how: sql('DELETE FROM lanecast_audit WHERE seq = 5'),
    seq: 5,
    problem: /^it is missing$/,
  },
  {
    what: 'several removed',
    how: sql('DELETE FROM lanecast_audit WHERE seq BETWEEN 5 AND 8'),
    seq: 5,
    problem: /missing, and so are all up to 8/,
  },
  {
    what: 'one removed and the rest moved up',
    how: sql(
      'DELETE FROM lanecast_audit WHERE seq = 5',
      ...[6, 7, 8, 9, 10, 11, 12].map(
        (seq) => `UPDATE lanecast_audit SET seq = ${seq - 1} WHERE seq = ${seq}`,
      ),
    ),
    seq: 5,
    problem: /does not fit its hash/,
  },
  {
    what: 'two swapped',
    how: sql(
      'UPDATE lanecast_audit SET seq = 100 WHERE seq = 4',
      'UPDATE lanecast_audit SET seq = 4 WHERE seq = 9',
      'UPDATE lanecast_audit SET seq = 9 WHERE seq = 100',
    ),
    seq: 4,
    problem: /does not fit its hash/,
  },
  {
    what: 'one put in between',
    how: sql(
      ...[12, 11, 10, 9, 8, 7, 6].map(
        (seq) => `UPDATE lanecast_audit SET seq = ${seq + 1} WHERE seq = ${seq}`,
      ),
      `INSERT INTO lanecast_audit (${COLUMNS}) SELECT 6, tenant_id, at, actor, action, object, outcome, detail, prev_hash, hash FROM lanecast_audit WHERE seq = 5`,
    ),
    seq: 6,
    problem: /does not fit its hash/,
  },
  {
    what: 'one put in before the first',
    how: sql(
      `INSERT INTO lanecast_audit (${COLUMNS}) SELECT 0, tenant_id, at, actor, action, object, outcome, detail, prev_hash, hash FROM lanecast_audit WHERE seq = 5`,
    ),
    seq: 0,
    problem: /no place/,
  },
  {
    what: 'one added at the end, hashed rightly',
    how: async ({ store, run }) => {
      const [last] = await store.auditRows(RECORDS - 1, 1)
      const { rows } = appendToChain({ ...(await store.auditHead())! }, [last!], undefined)
      await run(insertion(rows[0]!))
    },
    seq: RECORDS + 1,
    problem: /put in, or the head put back/,
  },
  {
    what: 'the last cut off',
    how: sql('DELETE FROM lanecast_audit WHERE seq = 12'),
    seq: 12,
    problem: /the last is missing/,
  },
  {
    what: 'the end cut off',
    how: sql('DELETE FROM lanecast_audit WHERE seq > 3'),
    seq: 4,
    problem: /the last 9 are missing/,
  },
  { what: 'all removed', how: sql('DELETE FROM lanecast_audit'), seq: 1, problem: /the last 12 are missing/ },
  { what: 'the head removed', how: sql('DELETE FROM lanecast_audit_head'), seq: 1, problem: /head is gone/ },
  {
    what: 'the end cut off and the head put there',
    how: async ({ store, run }) => {
      const [end] = await store.auditRows(7, 1)
      await run('DELETE FROM lanecast_audit WHERE seq > 8')
      await run(`UPDATE lanecast_audit_head SET seq = 8, hash = '${end!.hash}'`)
    },
    seq: 1,
    problem: /the seal does not fit/,
  },
  {
    what: 'the last edited and hashed anew',
    how: async ({ store, run }) => {
      const [row] = await recompute(store, RECORDS, () => ({ actor: 'nobody' }))
      await run(`DELETE FROM lanecast_audit WHERE seq = ${RECORDS}`)
      await run(insertion(row!))
    },
    seq: RECORDS,
    problem: /not the one in the head/,
  },
  {
    what: 'one edited and hashed anew',
    how: async ({ store, run }) => {
      const [row] = await recompute(store, 5, () => ({ actor: 'nobody' }))
      await run('DELETE FROM lanecast_audit WHERE seq = 5')
      await run(insertion(row!))
    },
    seq: 6,
    problem: /does not follow record 5/,
  },
  ...[5, 1].map((from) => ({
    what: `one edited, and all from ${from} on and the head computed anew`,
    how: async ({ store, run }: TamperedDatabase) => {
      const rows = await recompute(store, from, () => ({ actor: 'nobody' }))
      await run(`DELETE FROM lanecast_audit WHERE seq >= ${from}`)
      for (const row of rows) await run(insertion(row))
      await run(`UPDATE lanecast_audit_head SET hash = '${rows.at(-1)!.hash}'`)
    },
    seq: 1,
    problem: /the seal does not fit/,
  })),
  {
    what: 'the seal removed',
    how: sql('UPDATE lanecast_audit_head SET key_id = NULL, seal = NULL'),
    seq: RECORDS,
    problem: /no seal/,
  },
  {
    what: "the seal made with somebody's own key",
    how: sql("UPDATE lanecast_audit_head SET key_id = 'mine'"),
    seq: RECORDS,
    problem: /key "mine"/,
  },
]

/** Every way of tampering is found and located, on whatever database `open` makes. */
export function tamperingIsFound(test: TestFn, open: () => Promise<TamperedDatabase>): void {
  for (const { what, how, seq, problem } of TAMPERINGS)
    test(`found: ${what}`, async (t) => {
      await using database = await open()
      await writeRecords(database.store)
      t.like(await verifyChain(database.store, { keyOf }), { ok: true, count: RECORDS, sealChecked: true })
      await how(database)
      const verdict = await verifyChain(database.store, { keyOf })
      if (verdict.ok) return t.fail('not found')
      t.is(verdict.seq, seq)
      t.regex(verdict.problem, problem)
    })

  test('what the hub appends does not heal a chain that was computed anew', async (t) => {
    await using database = await open()
    await writeRecords(database.store)
    const rows = await recompute(database.store, 5, () => ({ actor: 'nobody' }))
    await database.run('DELETE FROM lanecast_audit WHERE seq >= 5')
    for (const row of rows) await database.run(insertion(row))
    await database.run(`UPDATE lanecast_audit_head SET hash = '${rows.at(-1)!.hash}'`)
    await writeRecords(database.store)
    t.true((await verifyChain(database.store)).ok, 'without the key it looks right')
    t.like(await verifyChain(database.store, { keyOf }), { ok: false, seq: 1 })
  })

  test('a noted anchor finds what was put back to an earlier state', async (t) => {
    await using database = await open()
    await writeRecords(database.store)
    const early = (await database.store.auditHead())!
    await writeRecords(database.store)
    const { seq, hash } = (await database.store.auditHead())!
    t.true((await verifyChain(database.store, { keyOf, anchors: [early, { seq, hash }] })).ok)
    await database.run(`DELETE FROM lanecast_audit WHERE seq > ${early.seq}`)
    await database.run(
      `UPDATE lanecast_audit_head SET seq = ${early.seq}, hash = '${early.hash}', seal = '${early.seal}'`,
    )
    t.true((await verifyChain(database.store, { keyOf })).ok)
    t.like(await verifyChain(database.store, { keyOf, anchors: [{ seq, hash }] }), {
      ok: false,
      seq: early.seq + 1,
    })
    t.like(await verifyChain(database.store, { anchors: [{ seq: 3, hash: 'f'.repeat(64) }] }), {
      ok: false,
      seq: 3,
    })
  })

  test('nothing more is recorded once the head is gone', async (t) => {
    await using database = await open()
    await writeRecords(database.store)
    await database.run('DELETE FROM lanecast_audit_head')
    await t.throwsAsync(writeRecords(database.store), { code: 'audit_head_missing' })
  })

  test('a chain that grows meanwhile is verified', async (t) => {
    await using database = await open()
    let verified = false
    const writing = (async () => {
      while (!verified) await writeRecords(database.store)
    })()
    for (let round = 0; round < 20; round++)
      t.like(await verifyChain(database.store, { keyOf }), { ok: true })
    verified = true
    await writing
  })
}
