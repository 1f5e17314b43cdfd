import test from 'ava'
import type { GrantedDecision } from '../../../common/wire/decision.ts'
import { decide } from '../../../policy/decide.ts'
import { BROWSER } from '../../../policy/facts.ts'
import { AlarmWatch } from '../../../server/topology/alarm-watch.ts'
import { AlarmBook } from '../../../server/topology/alarms.ts'
import { QosTriggers, type Reconsider } from '../../../server/topology/qos-triggers.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import { policy, principal, request } from '../../policy/makers.ts'
import { Seeded } from '../../policy/seeded.ts'
import { Clock, dead, entry, good, T0, TENANT, wire, world } from './world.ts'

/**
 * A sender with a way over each of two edges, decided by the real policy and moved by the real triggers.
 * `rtt` says what each way's RTT is at a time, ms; null is a way that carries nothing.
 */
async function simulate(
  seconds: number,
  rtt: Readonly<Record<'a' | 'b', (second: number) => number | null>>,
): Promise<{ switches: { second: number; to: string }[]; looks: number; alarms: string[] }> {
  const clock = new Clock()
  const topology = world()
  const links = [
    wire('a', 'edge-1', { capacity_kbps: 20_000 }),
    wire('b', 'edge-2', { capacity_kbps: 20_000 }),
  ]
  topology.upsert(TENANT, 'sender-1', entry('sender', { links }), T0)
  const slo = new SloTracker(() => null)
  const switches: { second: number; to: string }[] = []
  let looks = 0
  let current: GrantedDecision | null = null
  const rules = policy()

  const choose = (): GrantedDecision | null => {
    const decision = decide(
      {
        principal: principal(),
        request: request({ class: 'director', action: current ? 'reroute' : 'publish' }),
      },
      {
        topology: topology.snapshot,
        stream: { tenantId: TENANT, streamId: 'cam-1', homeNodeId: 'hub-1', upstream: null },
        peer: BROWSER,
        usage: { streams: 0, streamsOfToken: 0, viewers: 0, viewersOfStream: 0, uplinkKbps: 0 },
        workersFull: null,
        measured: {},
        current: current && {
          nodes: current.path.nodes,
          links: current.path.links,
          bindings: current.overlay.bindings,
          kbps: 2500,
          history: current.history,
        },
      },
      rules,
      clock.ms,
    )
    if (decision.outcome === 'refuse') return null
    if (current && decision.path.nodes[1] !== current.path.nodes[1])
      switches.push({ second: (clock.ms - T0) / 1000, to: decision.path.nodes[1]! })
    current = decision
    triggers.watch({
      contractId: 'c1',
      tenantId: TENANT,
      streamId: 'cam-1',
      streamClass: decision.class,
      nodes: decision.path.nodes,
      links: decision.path.links,
      bindings: decision.overlay.bindings,
      deterministic: false,
      kbps: decision.abr.max_kbps,
      budgetMs: decision.latency.budget_ms,
      estimateMs: decision.latency.estimate_ms,
    })
    return decision
  }
  const look: Reconsider = async () => {
    looks += 1
    return { betterSince: choose()?.history.better_since ?? null }
  }
  const triggers = new QosTriggers({
    topology,
    slo,
    now: clock.now,
    events: { reconsidered: () => {}, reconsiderFailed: () => {}, rerouted: () => {} },
  })
  const raised: string[] = []
  const alarms = new AlarmBook({
    alarmRaised: ({ kind, subject }) => raised.push(`${kind} ${subject}`),
    alarmCleared: () => {},
  })
  const watch = new AlarmWatch({ topology, triggers, slo, alarms })
  for (let step = 1; step <= seconds * 5; step += 1) {
    clock.ms += 200
    if (step % 5 === 0) {
      const second = step / 5
      topology.seen(TENANT, 'sender-1', clock.ms)
      for (const [linkId, rttAt] of Object.entries(rtt)) {
        const rttMs = rttAt(second)
        topology.observe(
          TENANT,
          'sender-1',
          linkId,
          rttMs === null ? dead(clock.ms) : good(clock.ms, { rttMs }),
        )
      }
      for (const edge of ['edge-1', 'edge-2'])
        topology.observe(null, edge, edge === 'edge-1' ? 'm1' : 'm2', good(clock.ms, { rttMs: 5 }))
      topology.sweep(clock.ms)
      watch.tick(clock.ms)
    }
    if (current === null && step === 50) choose()
    triggers.tick(look)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { switches, looks, alarms: raised }
}

test('a link that swings between 100 and 1200 ms does not make the path flap', async (t) => {
  const { switches, alarms } = await simulate(300, {
    a: (second) => (Math.floor(second / 15) % 2 === 0 ? 100 : 1200),
    b: () => 200,
  })
  t.true(switches.length <= 2, JSON.stringify(switches))
  t.is(switches.at(-1)?.to, 'edge-2', 'it ends on the steady one')
  t.deepEqual(alarms, [])
})

test('two links that swing against each other switch at most once in 30 s', async (t) => {
  const { switches } = await simulate(600, {
    a: (second) => (Math.floor(second / 20) % 2 === 0 ? 60 : 900),
    b: (second) => (Math.floor(second / 20) % 2 === 0 ? 900 : 60),
  })
  t.true(switches.length <= 20)
  for (const [index, { second }] of switches.entries())
    if (index > 0) t.true(second - switches[index - 1]!.second >= 30, JSON.stringify(switches))
})

test('noise of any kind switches at most once in 30 s', async (t) => {
  for (let seed = 1; seed <= 3; seed += 1) {
    const random = new Seeded(seed)
    const noisy = () => random.int(20, 1200)
    const { switches } = await simulate(200, { a: noisy, b: noisy })
    t.true(switches.length <= 7)
    for (const [index, { second }] of switches.entries())
      if (index > 0)
        t.true(second - switches[index - 1]!.second >= 30, `seed ${seed}: ${JSON.stringify(switches)}`)
  }
})

test('a path that is dead is left at once, and a better one is taken when it lasts', async (t) => {
  const { switches, alarms } = await simulate(200, {
    a: (second) => (second >= 40 && second < 80 ? null : 30),
    b: () => 150,
  })
  t.is(switches[0]?.to, 'edge-2')
  t.true(switches[0]!.second >= 40 && switches[0]!.second <= 41, JSON.stringify(switches))
  t.deepEqual(alarms, ['link_down link:sender-1/a'])
  t.is(switches[1]?.to, 'edge-1', 'back, once it has proven itself')
  t.true(switches[1]!.second >= 85, 'not while it was only probed')
  t.is(switches.length, 2)
})
