import test from 'ava'
import { freshness, standingOf } from '../../../policy/health.ts'
import { newLinkView, readLink } from '../../../policy/paths/link-view.ts'
import { arrivalOf } from '../../../server/topology/delivery-ledger.ts'
import { DOWN_AFTER_MS, FORGET_LEARNED_MS, Topology } from '../../../server/topology/graph.ts'
import { visibleLinks, visibleNodes } from '../../../server/topology/views.ts'
import { Seeded } from '../../policy/seeded.ts'
import { dead, entry, good, T0, TENANT, wire, world } from './world.ts'

test('a node is up as long as it gives signs of life, and goes down after', (t) => {
  const topology = world()
  const told: string[] = []
  topology.listen({
    linkObserved: () => {},
    structureChanged: () => {},
    nodeUp: (tenantId, nodeId) => told.push(`up ${tenantId}/${nodeId}`),
    nodeDown: (tenantId, nodeId) => told.push(`down ${tenantId}/${nodeId}`),
  })
  const up = () => topology.snapshot.node(TENANT, 'sender-1')?.facts.up
  topology.sweep(T0 + DOWN_AFTER_MS)
  t.true(up())
  topology.sweep(T0 + DOWN_AFTER_MS + 1)
  t.false(up())
  t.true(topology.snapshot.node(null, 'hub-1')?.facts.up, 'held by its connection')
  t.true(topology.record(TENANT, 'sender-1')!.reputation.value < 1)
  topology.seen(TENANT, 'sender-1', T0 + 20_000)
  t.true(up())
  t.deepEqual(told, [`down ${TENANT}/sender-1`, `up ${TENANT}/sender-1`])
  t.false(topology.seen('other', 'sender-1', T0), 'another tenant has no such node')
})

test('a connection that ends leaves the usual time', (t) => {
  const topology = world()
  const end = topology.hold(TENANT, 'sender-1', T0)
  topology.sweep(T0 + 100_000)
  t.true(topology.record(TENANT, 'sender-1')?.up)
  end(T0 + 100_000)
  end(T0 + 100_000)
  topology.sweep(T0 + 100_000 + DOWN_AFTER_MS)
  t.true(topology.record(TENANT, 'sender-1')?.up)
  topology.sweep(T0 + 100_001 + DOWN_AFTER_MS)
  t.false(topology.record(TENANT, 'sender-1')?.up)
})

test('reputation falls with each silent end and comes back with time', (t) => {
  const topology = world()
  const reputation = () => topology.snapshot.node(TENANT, 'sender-1')!.facts.reputation
  for (let round = 1; round <= 3; round += 1) {
    topology.sweep(T0 + round * 20_000)
    topology.seen(TENANT, 'sender-1', T0 + round * 20_000 + 1)
  }
  const after = reputation()
  t.true(after < 0.7 && after > 0.4, `${after}`)
  topology.hold(TENANT, 'sender-1', T0 + 60_000)
  topology.sweep(T0 + 4 * 3_600_000)
  t.true(reputation() > 0.98)
})

test('links that nobody declared are learned from reports, within bounds, and forgotten', (t) => {
  const topology = world()
  t.is(topology.observe(TENANT, 'sender-1', 'eth0', good(T0)), 'applied')
  t.is(topology.link(TENANT, 'sender-1', 'eth0')?.facts.to, 'hub-1', 'the hub is taken to be there')
  t.is(topology.observe(TENANT, 'sender-1', 'eth1', good(T0), 'edge-2'), 'applied')
  t.is(topology.link(TENANT, 'sender-1', 'eth1')?.facts.to, 'edge-2')
  t.is(
    topology.observe(TENANT, 'sender-1', 'eth1', good(T0 + 1), 'edge-1'),
    'applied',
    'it leads elsewhere now',
  )
  t.is(topology.link(TENANT, 'sender-1', 'eth1')?.facts.to, 'edge-1')
  t.is(topology.observe(TENANT, 'sender-1', 'eth2', good(T0), 'nowhere'), 'unknown_link')
  t.is(topology.observe(TENANT, 'nobody', 'eth0', good(T0)), 'unknown_node')
  t.is(topology.observe('other', 'sender-1', 'eth0', good(T0)), 'unknown_node')
  const outcomes = Array.from({ length: 80 }, (_, index) =>
    topology.observe(TENANT, 'sender-1', `ppp${index}`, good(T0)),
  )
  t.is(
    outcomes.filter((outcome) => outcome === 'applied').length,
    61,
    '64 with the declared one and eth0, eth1',
  )
  t.is(outcomes.at(-1), 'too_many_links')
  topology.sweep(T0 + FORGET_LEARNED_MS + 2)
  t.is(topology.link(TENANT, 'sender-1', 'eth0'), undefined)
  t.truthy(topology.link(TENANT, 'sender-1', 'lte-1'), 'declared links stay')
})

test('declared links wait for their other end, and survive its absence', (t) => {
  const topology = new Topology()
  const entries = { links: [wire('eth0', 'ap-1'), wire('eth1', 'hub-1')] }
  topology.upsert(TENANT, 'sender-1', entry('sender', entries), T0)
  t.is(topology.link(TENANT, 'sender-1', 'eth0'), undefined)
  t.is(topology.observe(TENANT, 'sender-1', 'eth0', good(T0)), 'unknown_link', 'not learned as another link')
  topology.upsert(TENANT, 'ap-1', entry('access-point'), T0)
  topology.upsert(null, 'hub-1', entry('hub'), T0)
  t.is(topology.link(TENANT, 'sender-1', 'eth0')?.facts.to, 'ap-1')
  t.is(topology.link(TENANT, 'sender-1', 'eth1')?.facts.to, 'hub-1')
  topology.remove(TENANT, 'ap-1')
  t.is(topology.link(TENANT, 'sender-1', 'eth0'), undefined)
  topology.upsert(TENANT, 'ap-1', entry('access-point'), T0)
  t.is(topology.link(TENANT, 'sender-1', 'eth0')?.facts.to, 'ap-1')
  topology.upsert(TENANT, 'sender-1', entry('sender', { links: [wire('eth1', 'ap-9')] }), T0)
  t.is(topology.link(TENANT, 'sender-1', 'eth0'), undefined, 'no longer declared')
  t.is(topology.link(TENANT, 'sender-1', 'eth1'), undefined, 'its new end is not there')
  topology.upsert(TENANT, 'ap-1', entry('access-point'), T0)
  t.is(topology.link(TENANT, 'sender-1', 'eth0'), undefined, 'and does not come back')
})

test('only both ends of a link together tell a dead link from an idle one', (t) => {
  const topology = world()
  const standing = (nowMs: number) => standingOf(topology.link(TENANT, 'sender-1', 'lte-1')!.evidence, nowMs)
  const sent = (at: number, packets: number) =>
    topology.observe(
      TENANT,
      'sender-1',
      'lte-1',
      good(at, { rttMs: 8, sentPackets: packets, deliveredPackets: null }),
    )
  const arrived = (at: number, kbps: number) =>
    topology.arrived(
      TENANT,
      'sender-1',
      'lte-1',
      arrivalOf({ alive: kbps > 0, rtt_ms: 9, bitrate_kbps: kbps }, at),
    )
  for (let at = T0; at < T0 + 4000; at += 1000) sent(at, 300)
  t.is(standing(T0 + 4000), 'unproven', 'an answered ping is no evidence')
  for (let at = T0 + 4000; at < T0 + 8000; at += 1000) {
    arrived(at, 3000)
    sent(at + 10, 300)
  }
  t.is(standing(T0 + 8000), 'serving')
  arrived(T0 + 8000, 0)
  t.is(standing(T0 + 8000), 'serving', 'one empty second may be chance')
  sent(T0 + 8010, 300)
  arrived(T0 + 9000, 0)
  t.is(standing(T0 + 9000), 'dead', 'sent, answered quickly, and nothing arrives')
  for (let at = T0 + 20_000; at < T0 + 40_000; at += 1000) {
    sent(at, 0)
    arrived(at + 10, 0)
  }
  t.not(standing(T0 + 40_000), 'dead', 'nothing was sent: nothing is held against it')
})

test('older reports change nothing', (t) => {
  const topology = world()
  t.is(topology.observe(TENANT, 'sender-1', 'lte-1', good(T0 + 5000, { rttMs: 50 })), 'applied')
  t.is(topology.observe(TENANT, 'sender-1', 'lte-1', dead(T0 + 4999)), 'outdated')
  const link = topology.link(TENANT, 'sender-1', 'lte-1')!
  t.is(link.metrics?.rttMs, 50)
  t.is(standingOf(link.evidence, T0 + 5000), 'serving')
})

test('as reports age they lose weight, then validity, and never look better', (t) => {
  const random = new Seeded(31)
  const view = newLinkView()
  for (let round = 0; round < 200; round += 1) {
    const topology = world()
    let at = T0
    for (let report = 0; report < random.int(1, 20); report += 1) {
      at += random.int(100, 4000)
      const rttMs = random.int(1, 1200)
      const lost = random.chance(0.1)
      topology.observe(
        TENANT,
        'sender-1',
        'lte-1',
        lost ? dead(at) : good(at, { rttMs, loss: random.next() * 0.1 }),
      )
    }
    const link = topology.link(TENANT, 'sender-1', 'lte-1')!
    let [weight, value] = [1, 1]
    for (let age = 0; age <= 40_000; age += random.int(200, 2500)) {
      const fresh = freshness(link.metrics!.at, at + age)
      t.true(fresh <= value && fresh >= 0)
      value = fresh
      readLink(link, at + age, view)
      t.true(view.weight <= weight, `weight ${view.weight} at age ${age}`)
      weight = view.weight
      if (age >= 30_000) {
        t.is(view.weight, 0)
        t.true(view.rttMs >= 100, 'nothing is assumed to be quick')
      }
    }
  }
})

test('tenants see their own nodes and links, and nothing of the load of shared ones', (t) => {
  const topology = world()
  topology.upsert('rival', 'sender-9', entry('sender', { links: [wire('lte-9', 'hub-1')] }), T0)
  topology.observe('rival', 'sender-9', 'lte-9', good(T0))
  topology.observe(TENANT, 'sender-1', 'lte-1', good(T0))
  topology.setLoad(null, 'hub-1', { workerCpu: 0.5, flows: 12, kbps: 50_000 }, T0)
  const nodes = visibleNodes(topology, TENANT, T0)
  t.deepEqual(
    nodes.map(({ node_id }) => node_id),
    ['edge-1', 'edge-2', 'hub-1', 'sender-1'],
  )
  t.is(nodes.find(({ node_id }) => node_id === 'hub-1')?.load, null)
  t.is(visibleNodes(topology, null, T0).find(({ node_id }) => node_id === 'hub-1')?.load?.flows, 12)
  t.deepEqual(
    visibleLinks(topology, TENANT, T0).map(({ link_id, standing, freshness: fresh }) => [
      link_id,
      standing,
      fresh,
    ]),
    [['lte-1', 'serving', 1]],
  )
  t.is(visibleLinks(topology, null, T0).length, 4)
  t.is(visibleLinks(topology, 'nobody', T0).length, 0)
})
