import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { verifyChain } from '../../../server/audit/verify-chain.ts'
import { openStore, type StoreConfig } from '../../../server/store/open-store.ts'
import { startPostgres } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'

const WRITER = join(import.meta.dirname, 'acknowledging-writer-main.ts')
const logger = createLogger('fatal')

/** Lets a writer run until `moment` says so, kills it with SIGKILL, and answers the ids that it acknowledged. */
async function killedWriter(
  args: readonly string[],
  moment: (lines: () => string[]) => Promise<unknown>,
): Promise<string[]> {
  const writer = spawn(process.execPath, [WRITER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  writer.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  // A line that the kill cut short was not heard by anybody.
  const lines = () => text.split('\n').slice(0, -1)
  const closed = once(writer, 'close')
  try {
    await moment(lines)
  } finally {
    writer.kill('SIGKILL')
    await closed
  }
  return lines().slice(1)
}

const afterRandomWrites = async (lines: () => string[]) => {
  await until(() => lines().length > 1, 'a write is acknowledged')
  await delay(Math.random() * 150)
}

async function killedOverAndOver(t: ExecutionContext, config: StoreConfig, args: string[], rounds: number) {
  const acknowledged: string[] = []
  for (let round = 0; round < rounds; round++) {
    acknowledged.push(...(await killedWriter([...args, `r${round}`], afterRandomWrites)))
    await using store = await openStore(config, { logger })
    const present = new Set((await store.list('node', 't1')).map(({ id }) => id))
    t.deepEqual(
      acknowledged.filter((id) => !present.has(id) || !present.has(`${id}-twin`)),
      [],
      `round ${round}: every acknowledged write is there`,
    )
    t.like(
      await verifyChain(store),
      { ok: true, count: present.size / 2 },
      'with one record each, whole writes only',
    )
  }
  t.log(`${acknowledged.length} acknowledged writes survived ${rounds} kills`)
}

test('kill -9 at any moment loses no acknowledged write of SQLite', async (t) => {
  t.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-kill-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  await killedOverAndOver(t, { kind: 'sqlite', folder }, ['sqlite', folder], 20)
})

test('kill -9 at any moment loses no acknowledged write of PostgreSQL', async (t) => {
  t.timeout(60_000)
  await using server = await startPostgres()
  const url = await server.createDatabase()
  await killedOverAndOver(t, { kind: 'postgres', url }, ['postgres', url], 6)
})

test('processes that start at once on one new SQLite file share it', async (t) => {
  t.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-kill-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const acknowledged = await Promise.all(
    ['a', 'b', 'c'].map((prefix) => killedWriter(['sqlite', folder, prefix], afterRandomWrites)),
  )
  await using store = await openStore({ kind: 'sqlite', folder }, { logger })
  const present = new Set((await store.list('node', 't1')).map(({ id }) => id))
  t.deepEqual(
    acknowledged.flat().filter((id) => !present.has(id)),
    [],
  )
  t.like(await verifyChain(store), { ok: true, count: present.size / 2 })
})

test('kill -9 during the first start leaves a database that opens', async (t) => {
  t.timeout(60_000)
  for (let round = 0; round < 5; round++) {
    const folder = mkdtempSync(join(tmpdir(), 'lanecast-kill-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    await killedWriter(['sqlite', folder, 'x'], async (lines) => {
      await until(() => lines().length > 0, 'the writer starts')
      await delay(Math.random() * 60)
    })
    await using store = await openStore({ kind: 'sqlite', folder }, { logger })
    t.true((await verifyChain(store)).ok)
  }
})
