import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { writePlanned } from '../../../server/store/mirror.ts'
import { openStore } from '../../../server/store/open-store.ts'
import { HUB_TENANT_ID, type Store } from '../../../server/store/store.ts'
import { DOWN_AFTER_MS, Topology } from '../../../server/topology/graph.ts'
import { forgetState, NodeDirectory } from '../../../server/topology/node-directory.ts'
import { NODE_STATE_KIND } from '../../../server/topology/node-state-key.ts'
import { StateKeeper } from '../../../server/topology/state-keeper.ts'
import { until } from '../../support/until.ts'
import { dead, entry, good, T0, TENANT, wire } from './world.ts'

const logger = createLogger('fatal')

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'lanecast-nodes-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A hub's directory and topology on a store, at a time. */
async function open(store: Store, now: () => number, refreshMs?: number, hubId?: string) {
  const topology = new Topology()
  const directory = await NodeDirectory.open({ store, topology, now, logger, refreshMs })
  const keeper = await StateKeeper.open({ store, topology, hubId, now, logger })
  const [nodes, links] = [() => topology.size, () => [...topology.links()].length]
  return { topology, directory, keeper, nodes, links }
}

test('what is written is in the topology at once, and after a restart', async (t) => {
  const config = { kind: 'sqlite', folder: await folder(t) } as const
  let now = T0
  {
    await using store = await openStore(config, { logger })
    const { topology, directory, keeper, links } = await open(store, () => now)
    await directory.put(TENANT, 'sender-1', entry('sender', { links: [wire('lte-1', 'hub-1')] }))
    t.is(links(), 0, 'its other end is not there yet')
    await directory.put(null, 'hub-1', entry('hub'))
    t.is(links(), 1)
    await directory.put('rival', 'sender-1', entry('sender'))
    t.is(topology.size, 3, 'the same name in another tenant is another node')
    topology.seen(TENANT, 'sender-1', now)
    for (let at = T0; at < T0 + 10_000; at += 1000) topology.observe(TENANT, 'sender-1', 'lte-1', good(at))
    topology.observe(TENANT, 'sender-1', 'lte-1', dead(T0 + 10_000))
    topology.observe(TENANT, 'sender-1', 'wlan0', good(T0 + 10_000, { rttMs: 77 }))
    now = T0 + 11_000
    await keeper[Symbol.asyncDispose]()
    await directory[Symbol.asyncDispose]()
  }
  now = T0 + 15_000
  await using store = await openStore(config, { logger })
  const { topology, directory, keeper } = await open(store, () => now)
  await using _keeper = keeper
  await using _directory = directory
  t.is(directory.get(TENANT, 'sender-1')?.version, 1)
  const link = topology.link(TENANT, 'sender-1', 'lte-1')!
  t.is(link.evidence.breaks, 1, 'a link’s past is not forgotten')
  t.is(link.metrics?.at, T0 + 10_000)
  t.is(topology.link(TENANT, 'sender-1', 'wlan0')?.metrics?.rttMs, 77, 'nor one that nobody declared')
  t.true(topology.record(TENANT, 'sender-1')?.up, 'it has the usual time to come back')
  topology.sweep(now + DOWN_AFTER_MS + 1)
  t.false(topology.record(TENANT, 'sender-1')?.up)
  t.false(topology.record('rival', 'sender-1')?.up, 'who was never seen is not up')
})

test('a change keeps what was measured; a delete forgets it', async (t) => {
  await using store = await openStore({ kind: 'memory' }, { logger })
  const { topology, directory, keeper } = await open(store, () => T0)
  await directory.put(null, 'hub-1', entry('hub'))
  await directory.put(TENANT, 'sender-1', entry('sender', { links: [wire('lte-1', 'hub-1')] }))
  topology.seen(TENANT, 'sender-1', T0)
  topology.observe(TENANT, 'sender-1', 'lte-1', good(T0))
  const changed = entry('sender', {
    region: 'north',
    links: [wire('lte-1', 'hub-1', { capacity_kbps: 5000 })],
  })
  await directory.put(TENANT, 'sender-1', changed, { expected_version: 1 })
  const link = topology.link(TENANT, 'sender-1', 'lte-1')!
  t.is(link.facts.capacityKbps, 5000)
  t.is(link.metrics?.at, T0)
  t.true(topology.record(TENANT, 'sender-1')?.up)
  await t.throwsAsync(directory.put(TENANT, 'sender-1', changed, { expected_version: 1 }), {
    code: 'version_conflict',
  })
  await keeper[Symbol.asyncDispose]()
  t.is((await store.list(NODE_STATE_KIND, TENANT)).length, 1)
  await directory.delete(TENANT, 'sender-1')
  t.is(topology.record(TENANT, 'sender-1'), undefined)
  t.deepEqual([...topology.links()], [])
  t.is((await store.list(NODE_STATE_KIND, TENANT)).length, 0)
  await directory[Symbol.asyncDispose]()
})

test('a node can be written together with other things, or not at all', async (t) => {
  await using store = await openStore({ kind: 'memory' }, { logger })
  const { topology, directory, keeper } = await open(store, () => T0)
  await using _keeper = keeper
  await using _directory = directory
  const token = {
    op: 'put',
    kind: 'thing',
    tenant_id: TENANT,
    id: 'x',
    body: 1,
    expected_version: 0,
  } as const
  await writePlanned(store, [directory.planPut(TENANT, 'n1', entry('sender'))], [token])
  t.truthy(topology.record(TENANT, 'n1'))
  await t.throwsAsync(writePlanned(store, [directory.planPut(TENANT, 'n2', entry('sender'))], [token]), {
    code: 'version_conflict',
  })
  t.is(topology.record(TENANT, 'n2'), undefined)
  await writePlanned(store, [directory.planDelete(TENANT, 'n1')], await forgetState(store, TENANT, 'n1'))
  t.is(topology.record(TENANT, 'n1'), undefined)
})

test('hubs on one database see each other’s nodes', async (t) => {
  await using store = await openStore({ kind: 'memory' }, { logger })
  const one = await open(store, () => T0, 50)
  const other = await open(store, () => T0, 50)
  await using _one = one.directory
  await using _other = other.directory
  await using _oneKeeper = one.keeper
  await using _otherKeeper = other.keeper
  await one.directory.put(TENANT, 'n1', entry('sender'))
  await until(() => other.topology.record(TENANT, 'n1'), 'the other hub has it')
  await one.directory.delete(TENANT, 'n1')
  await until(() => other.topology.record(TENANT, 'n1') === undefined, 'and no longer')
  t.is(other.nodes(), 0)
})

/** The longest ids, which differ only at their ends. */
const LONG = ['a', 'b'].map((end) => `${'hub-'.repeat(15)}xyz${end}`)

for (const [ofOne, ofOther] of [
  ['hub', 'hub-north'],
  ['hub-north', 'hub-south'],
  [LONG[0]!, LONG[1]!],
]) {
  test(`a node that is made again is not judged by its predecessor's past, whichever hub deleted it: ${ofOne}, ${ofOther}`, async (t) => {
    await using store = await openStore({ kind: 'memory' }, { logger })
    {
      const one = await open(store, () => T0, 50, ofOne)
      const other = await open(store, () => T0, 50, ofOther)
      await one.directory.put(null, 'hub-1', entry('hub'))
      await one.directory.put(TENANT, 'n1', entry('sender', { links: [wire('lte-1', 'hub-1')] }))
      await until(() => other.topology.link(TENANT, 'n1', 'lte-1'), 'the other hub has it')
      for (const { topology } of [one, other]) {
        topology.observe(TENANT, 'n1', 'lte-1', good(T0))
        topology.observe(TENANT, 'n1', 'lte-1', dead(T0 + 10_000))
      }
      for (const { directory, keeper } of [one, other]) {
        await keeper[Symbol.asyncDispose]()
        await directory[Symbol.asyncDispose]()
      }
    }
    t.is((await store.list(NODE_STATE_KIND, TENANT)).length, 2, 'each hub has its own')
    const one = await open(store, () => T0, 50, ofOne)
    t.is(one.topology.link(TENANT, 'n1', 'lte-1')?.evidence.breaks, 1, 'and finds it again')
    await one.directory.delete(TENANT, 'n1')
    await one.directory.put(TENANT, 'n1', entry('sender', { links: [wire('lte-1', 'hub-1')] }))
    const other = await open(store, () => T0, 50, ofOther)
    for (const { topology } of [one, other])
      t.is(topology.link(TENANT, 'n1', 'lte-1')?.evidence.breaks, 0, 'nothing of the old one')
    for (const { directory, keeper } of [one, other]) {
      await keeper[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    }
  })
}

test('a hub that runs forgets a node that another deleted, also where it was made again at once', async (t) => {
  await using store = await openStore({ kind: 'memory' }, { logger })
  await using one = (await open(store, () => T0, 50)).directory
  const other = await open(store, () => T0, 300, 'hub-north')
  await using _other = other.directory
  await one.put(null, 'hub-1', entry('hub'))
  await one.put(TENANT, 'n1', entry('sender', { links: [wire('lte-1', 'hub-1')] }))
  await one.put(TENANT, 'n1', entry('sender', { links: [wire('lte-1', 'hub-1')], region: 'north' }))
  await until(() => other.topology.record(TENANT, 'n1')?.entry.region === 'north', 'the other hub has it')
  other.topology.observe(TENANT, 'n1', 'lte-1', good(T0))
  other.topology.observe(TENANT, 'n1', 'lte-1', dead(T0 + 10_000))
  await until(async () => (await store.list(NODE_STATE_KIND, TENANT)).length === 1, 'it is kept')
  await one.delete(TENANT, 'n1')
  await one.put(TENANT, 'n1', entry('sender', { links: [wire('lte-1', 'hub-1')], region: 'south' }))
  await until(() => other.topology.record(TENANT, 'n1')?.entry.region === 'south', 'it sees the new one')
  t.is(other.topology.link(TENANT, 'n1', 'lte-1')?.evidence.breaks, 0)
  other.topology.observe(TENANT, 'n1', 'lte-1', good(T0 + 20_000))
  await one.delete(TENANT, 'n1')
  await until(() => other.topology.record(TENANT, 'n1') === undefined, 'and that it is gone')
  await other.keeper[Symbol.asyncDispose]()
  t.deepEqual(await store.list(NODE_STATE_KIND, TENANT), [], 'nothing is left for who comes next')
})

test('states are written a few at a time, and a damaged one is left out', async (t) => {
  const config = { kind: 'sqlite', folder: await folder(t) } as const
  await using store = await openStore(config, { logger })
  const writes: number[] = []
  const counting: Pick<Store, 'list' | 'write'> = {
    list: (...asked) => store.list(...asked),
    write: (changes, audit) => {
      writes.push(changes.length)
      return store.write(changes, audit)
    },
  }
  const topology = new Topology()
  topology.upsert(null, 'hub-1', entry('hub'), T0)
  for (let index = 0; index < 230; index += 1) topology.upsert(TENANT, `n${index}`, entry('sender'), T0)
  const keeper = await StateKeeper.open({ store: counting, topology, now: () => T0, logger })
  for (let index = 0; index < 230; index += 1) topology.seen(TENANT, `n${index}`, T0)
  await until(async () => (await store.list(NODE_STATE_KIND, TENANT)).length === 230, 'all are written')
  t.true(Math.max(...writes) <= 50, `${writes}`)
  const before = writes.length
  for (let index = 0; index < 230; index += 1) topology.seen(TENANT, `n${index}`, T0 + 1)
  await keeper[Symbol.asyncDispose]()
  t.is(
    writes.slice(before).reduce((sum, count) => sum + count, 0),
    230,
    'on the way out nothing is left',
  )

  const spoilt = { kind: NODE_STATE_KIND, tenant_id: TENANT, id: 'n0', body: { up: 'perhaps' } }
  await store.write([{ op: 'put', ...spoilt }])
  await store.write([{ op: 'put', ...spoilt, tenant_id: HUB_TENANT_ID, id: 'gone', body: 1 }])
  const again = new Topology()
  again.upsert(TENANT, 'n0', entry('sender'), T0)
  again.upsert(TENANT, 'n1', entry('sender'), T0)
  await using _again = await StateKeeper.open({ store, topology: again, now: () => T0 + 100, logger })
  t.false(again.record(TENANT, 'n0')?.up)
  t.true(again.record(TENANT, 'n1')?.up)
})
