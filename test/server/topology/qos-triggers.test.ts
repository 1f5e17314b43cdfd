import test from 'ava'
import type { LinkObservation } from '../../../policy/evidence.ts'
import { QosTriggers, type Reconsider } from '../../../server/topology/qos-triggers.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import type { QosCause } from '../../../server/topology/trigger-queue.ts'
import type { WatchedFlow } from '../../../server/topology/watched-flow.ts'
import { Clock, dead, entry, flow, good, T0, TENANT, watchedBy, wire, world } from './world.ts'

type Reports = Readonly<Record<string, ((at: number) => LinkObservation) | null>>

function rig(reconsider?: Reconsider) {
  const clock = new Clock()
  const topology = world()
  topology.upsert(
    TENANT,
    'sender-1',
    entry('sender', { links: [wire('lte-1', 'hub-1'), wire('lte-2', 'hub-1'), wire('eth-1', 'edge-1')] }),
    T0,
  )
  const slo = new SloTracker(() => 200)
  const looks: { at: number; causes: readonly QosCause[]; contractId: string }[] = []
  const reroutes: (QosCause | 'asked')[] = []
  const failures: unknown[] = []
  const look: Reconsider = async (watched, cause, causes) => {
    looks.push({ at: clock.ms - T0, causes, contractId: watched.contractId })
    return (await reconsider?.(watched, cause, causes)) ?? { betterSince: null }
  }
  const triggers = new QosTriggers({
    topology,
    slo,
    now: clock.now,
    events: {
      reconsidered: () => {},
      reconsiderFailed: (_flow, _causes, error) => failures.push(error),
      rerouted: (_flow, cause) => reroutes.push(cause),
    },
  })
  return {
    clock,
    topology,
    slo,
    triggers,
    looks,
    reroutes,
    failures,
    causes: () => looks.flatMap(({ causes }) => causes),
    /** Lets time pass. Links report each second as given. */
    async run(forMs: number, reports: Reports) {
      for (let ms = 0; ms < forMs; ms += 200) {
        clock.ms += 200
        if ((clock.ms - T0) % 1000 === 0) {
          topology.seen(TENANT, 'sender-1', clock.ms)
          for (const [linkId, report] of Object.entries(reports))
            if (report) topology.observe(TENANT, 'sender-1', linkId, report(clock.ms))
        }
        topology.sweep(clock.ms)
        triggers.tick(look)
        // The answers of looks come in.
        await Promise.resolve()
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

test('nothing happens, nothing is looked at', async (t) => {
  const { triggers, run, looks } = rig()
  await run(10_000, { 'lte-1': good })
  triggers.watch(flow())
  await run(60_000, { 'lte-1': good })
  t.deepEqual(looks, [])
})

test('a link that dies is answered within half a second of the report', async (t) => {
  const { triggers, run, looks, causes } = rig()
  await run(5000, { 'lte-1': good })
  triggers.watch(flow())
  await run(5000, { 'lte-1': good })
  await run(2000, { 'lte-1': dead })
  t.deepEqual(causes().slice(0, 1), ['link_down'])
  t.true(looks[0]!.at - 11_000 <= 500, `${looks[0]!.at - 11_000} ms`)
})

test('links that die together are one look for each flow', async (t) => {
  const { triggers, run, looks } = rig()
  const both = { 'lte-1': good, 'lte-2': good }
  await run(5000, both)
  const bindings = ['lte-1', 'lte-2'].map((link_id) => ({ link_id, node_id: 'hub-1', weight: 50 }))
  for (const contractId of ['c1', 'c2']) triggers.watch(flow({ contractId, bindings }))
  await run(5000, both)
  await run(1400, { 'lte-1': dead, 'lte-2': dead })
  t.deepEqual(looks.map(({ contractId }) => contractId).sort(), ['c1', 'c2'])
})

test('a node that goes away is told', async (t) => {
  const { topology, triggers, run, looks, clock } = rig()
  topology.upsert(null, 'edge-3', entry('edge'), clock.ms)
  topology.seen(null, 'edge-3', clock.ms)
  await run(1000, {})
  triggers.watch(flow({ nodes: ['sender-1', 'edge-3'], links: [], bindings: [] }))
  await run(15_000, {})
  t.true(looks.some(({ causes }) => causes[0] === 'node_down'))
  t.is(looks.filter(({ causes }) => causes.includes('node_down')).length, 1, 'told once')
})

test('congestion is told while it lasts, then relief', async (t) => {
  const { triggers, run, causes } = rig()
  await run(5000, { 'lte-1': good })
  triggers.watch(flow())
  await run(10_000, { 'lte-1': (at) => good(at, { loss: 0.1 }) })
  t.true(causes().filter((cause) => cause === 'congestion').length >= 2)
  await run(15_000, { 'lte-1': good })
  t.true(causes().includes('relieved'))
})

test('a delay that no longer fits the budget is told', async (t) => {
  const { triggers, run, causes, looks } = rig()
  await run(5000, { 'lte-1': good })
  triggers.watch(flow({ estimateMs: 150, budgetMs: 200 }))
  await run(5000, { 'lte-1': (at) => good(at, { rttMs: 100 }) })
  t.false(causes().includes('budget_exceeded'), '150 + 40 fits')
  await run(5000, { 'lte-1': (at) => good(at, { rttMs: 160 }) })
  t.true(causes().includes('budget_exceeded'), '150 + 70 does not')
  const first = looks.find(({ causes: each }) => each.includes('budget_exceeded'))!
  t.true(first.at > 12_000, 'only when it lasts')
})

test('viewers that see it late are a reason', async (t) => {
  const { triggers, slo, run, clock, causes } = rig()
  await run(2000, { 'lte-1': good })
  triggers.watch(flow())
  for (let viewer = 0; viewer < 20; viewer += 1) {
    slo.record(watchedBy(`v${viewer}`), 450, clock.ms)
  }
  await run(2000, { 'lte-1': good })
  t.deepEqual(causes(), ['slo_breach'])
})

test('other paths are compared when links changed, no more often than every five seconds', async (t) => {
  const { triggers, run, looks } = rig()
  await run(5000, { 'lte-1': good, 'eth-1': (at) => good(at, { rttMs: 80 }) })
  triggers.watch(flow())
  let loss = 0
  await run(30_000, {
    'lte-1': good,
    'eth-1': (at) => {
      loss = loss === 0 ? 0.03 : 0
      return good(at, { rttMs: 80, loss })
    },
  })
  const reviews = looks.filter(({ causes }) => causes.includes('better_path'))
  t.true(reviews.length >= 4 && reviews.length <= 6, `${reviews.length} comparisons in 30 s`)
})

test('a link that swings is no reason: its bad side is what counts', async (t) => {
  const { triggers, run, looks } = rig()
  const swinging = (at: number) => good(at, { rttMs: (at / 1000) % 30 < 15 ? 100 : 1200 })
  await run(40_000, { 'lte-1': good, 'eth-1': swinging })
  triggers.watch(flow())
  await run(60_000, { 'lte-1': good, 'eth-1': swinging })
  t.true(looks.length <= 4, `${looks.length} comparisons in a minute`)
})

test('while another path is better but not yet for long enough, it is compared again soon', async (t) => {
  let since: number | null = null
  const { triggers, run, looks, clock } = rig(async () => {
    since ??= clock.ms
    return { betterSince: clock.ms - since < 3000 ? since : null }
  })
  await run(5000, { 'lte-1': good, 'eth-1': good })
  triggers.watch(flow())
  await run(20_000, { 'lte-1': (at) => good(at, { rttMs: 80 }), 'eth-1': good })
  const reviews = looks.map(({ at }) => at)
  t.true(reviews[1]! - reviews[0]! <= 2500, `${reviews}`)
})

test('a look that fails is tried again, later and later, and the rest goes on', async (t) => {
  const { triggers, run, looks, failures } = rig(async () => {
    throw new Error('the database is away')
  })
  await run(5000, { 'lte-1': good })
  triggers.watch(flow())
  await run(30_000, { 'lte-1': dead })
  t.is(looks.length, failures.length)
  t.true(looks.length >= 4 && looks.length <= 7, `${looks.length} tries in 30 s`)
})

test('an ended flow is looked at no more, and leaves nothing behind', async (t) => {
  const { triggers, run, looks } = rig(() => new Promise(() => {}))
  await run(5000, { 'lte-1': good })
  triggers.watch(flow())
  await run(1400, { 'lte-1': dead })
  t.is(looks.length, 1)
  triggers.unwatch('c1')
  await run(20_000, { 'lte-1': dead })
  t.is(looks.length, 1)
  t.is(triggers.flows.size, 0)
  t.is(triggers.waiting, 0)
  t.deepEqual([...triggers.flows.linksInUse()], [])
})

test('a contract that comes back on another way is a reroute, with its cause', async (t) => {
  const onEdge: WatchedFlow = flow({
    nodes: ['sender-1', 'edge-1', 'hub-1'],
    links: ['eth-1', 'm1'],
    bindings: [{ link_id: 'eth-1', node_id: 'edge-1', weight: 0 }],
  })
  const world1 = rig(async () => {
    world1.triggers.watch(onEdge)
    return { betterSince: null }
  })
  const { triggers, run, reroutes, clock } = world1
  await run(5000, { 'lte-1': good, 'eth-1': good })
  triggers.watch(flow())
  triggers.watch(flow({ kbps: 100, bindings: [{ link_id: 'lte-1', node_id: 'hub-1', weight: 80 }] }))
  t.deepEqual(reroutes, [], 'another share is no other way')
  await run(3000, { 'lte-1': dead, 'eth-1': good })
  t.deepEqual(reroutes, ['link_down'])
  triggers.watch(flow())
  t.deepEqual(reroutes, ['link_down', 'asked'])
  t.is(triggers.switchesOf('c1', clock.ms).length, 2)
  t.is(triggers.switchesOf('c1', clock.ms + 300_001).length, 0)
})
