import test from 'ava'
import { TopologyGraph } from '../../policy/paths/graph.ts'
import { bondOf, chooseUplinks, type Uplink } from '../../policy/uplinks.ts'
import { ask, link, node, proves, report, T0, TENANT } from './makers.ts'

function uplink(linkId: string, more: Partial<Uplink> = {}): Uplink {
  return {
    linkId,
    nodeId: 'hub-1',
    standing: 'serving',
    cost: more.rttMs ?? 20,
    rttMs: 20,
    measured: true,
    loss: 0,
    weight: 1,
    kbps: null,
    wireless: false,
    bound: false,
    ...more,
  }
}
const bond = ({ bindings }: ReturnType<typeof chooseUplinks>) =>
  bindings.map(({ link_id, weight }) => `${link_id}:${weight}`).join(' ')

test('copies go over the two best links', (t) => {
  const links = [uplink('c', { rttMs: 60 }), uplink('a', { rttMs: 10 }), uplink('b', { rttMs: 30 })]
  t.is(bond(chooseUplinks(links, 'duplicate', 120, true)), 'a:0 b:0')
  t.is(bond(chooseUplinks(links.slice(0, 1), 'duplicate', 120, true)), 'c:100')
  t.is(bond(chooseUplinks([], 'duplicate', 120, true)), '')
})

test('shares follow measured health', (t) => {
  const links = [
    uplink('good'),
    uplink('lossy', { loss: 0.1 }),
    uplink('slow', { rttMs: 200 }),
    uplink('stale', { weight: 0.4 }),
  ]
  t.is(bond(chooseUplinks(links, 'share-by-health', 300, true)), 'good:100 lossy:90 stale:70 slow:50')
})

test('shares follow capacity, and links that are worth nothing beside the others are left out', (t) => {
  const links = [
    uplink('fibre', { kbps: 50_000 }),
    uplink('lte', { kbps: 10_000 }),
    uplink('unknown'),
    uplink('gprs', { kbps: 50 }),
  ]
  t.is(bond(chooseUplinks(links, 'share-by-capacity', 1000, true)), 'fibre:100 lte:20 unknown:20')
})

test('only links that serve are trusted; the others are probed, or serve where nothing else does', (t) => {
  const links = [
    uplink('a'),
    uplink('b', { standing: 'probing' }),
    uplink('c', { standing: 'unproven' }),
    uplink('d', { standing: 'silent' }),
  ]
  const choice = chooseUplinks(links, 'share-by-health', 300, true)
  t.is(bond(choice), 'a:100')
  t.deepEqual(choice.probe, ['b', 'c', 'd'])
  const desperate = chooseUplinks(links.slice(1), 'duplicate', 120, true)
  t.is(bond(desperate), 'b:0 c:0')
  t.deepEqual(desperate.probe, [])
})

test('a link too slow to resend in time is left out, unless it is all there is', (t) => {
  const links = [uplink('quick'), uplink('slow', { rttMs: 260 })]
  const choice = chooseUplinks(links, 'share-by-health', 300, true)
  t.is(bond(choice), 'quick:100')
  t.true(choice.reasons.some((reason) => /slow left out: RTT 260 ms leaves no time/.test(reason)))
  t.is(bond(chooseUplinks(links.slice(1), 'share-by-health', 300, true)), 'slow:100')
})

test('bound links keep their places against slightly better ones, and against all while places are held', (t) => {
  const links = [
    uplink('a', { rttMs: 20, bound: true }),
    uplink('b', { rttMs: 50, bound: true }),
    uplink('c', { rttMs: 45 }),
  ]
  t.is(bond(chooseUplinks(links, 'duplicate', 120, true)), 'a:0 b:0')
  const better = [...links.slice(0, 2), uplink('c', { rttMs: 30 })]
  t.is(bond(chooseUplinks(better, 'duplicate', 120, true)), 'a:0 c:0')
  t.is(bond(chooseUplinks(better, 'duplicate', 120, false)), 'a:0 b:0')
  const dying = [links[0]!, { ...links[1]!, standing: 'probing' as const }, better[2]!]
  t.is(bond(chooseUplinks(dying, 'duplicate', 120, false)), 'a:0 c:0')
})

test('what a bond waits for and carries', (t) => {
  const used = [uplink('a', { kbps: 5000 }), uplink('b', { rttMs: 60, loss: 0.05, kbps: 2000 })]
  t.deepEqual(bondOf(used, 'duplicate'), { rttMs: 20, loss: 0, kbps: 2000 })
  t.deepEqual(bondOf(used, 'share-by-health'), { rttMs: 60, loss: 0.05, kbps: 7000 })
  t.is(bondOf([...used, uplink('c')], 'share-by-capacity').kbps, null)
  t.is(bondOf([...used, uplink('c')], 'duplicate').kbps, 2000)
})

function sender(): TopologyGraph {
  const graph = new TopologyGraph()
  for (const [nodeId, role] of [
    ['hub-1', 'hub'],
    ['hub-2', 'hub'],
    ['ap-1', 'access-point'],
    ['sender-1', 'sender'],
  ] as const) {
    graph.putNode(node(nodeId, role))
  }
  const add = (linkId: string, from: string, to: string, rttMs: number) => {
    const facts = link(linkId, from, to, {
      tenantId: from === 'sender-1' ? TENANT : null,
      medium: 'cellular',
    })
    graph.putLink(facts)
    proves(graph, facts, T0, { rttMs })
  }
  add('eth', 'sender-1', 'hub-1', 20)
  add('lte', 'sender-1', 'hub-1', 50)
  add('wifi', 'sender-1', 'ap-1', 5)
  add('backhaul', 'ap-1', 'hub-1', 30)
  add('elsewhere', 'sender-1', 'hub-2', 10)
  return graph
}

test('every link that leads to the same hub is in the bond, over access points too', (t) => {
  const decision = ask(sender(), { request: { class: 'director' } })
  if (decision.outcome === 'refuse') return t.fail(decision.reasons.join('; '))
  t.deepEqual(decision.overlay.bindings.map(({ link_id, node_id }) => `${link_id} ${node_id}`).sort(), [
    'eth hub-1',
    'lte hub-1',
    'wifi ap-1',
  ])
  t.is(decision.mode, 'roaming')
  const focus = ask(sender())
  if (focus.outcome === 'refuse') return t.fail(focus.reasons.join('; '))
  t.is(focus.overlay.bindings.length, 2)
  t.true(focus.overlay.bindings.every(({ weight }) => weight === 0))
})

test('a dead link is neither used nor probed with media, and told', (t) => {
  const graph = sender()
  graph.observe(TENANT, 'sender-1', 'lte', report(T0, { deliveredPackets: 0 }))
  const decision = ask(graph, { request: { class: 'director' } })
  if (decision.outcome === 'refuse') return t.fail(decision.reasons.join('; '))
  t.false(decision.overlay.bindings.some(({ link_id }) => link_id === 'lte'))
  t.true(decision.reasons.some((reason) => /^link lte is dead: packets lost 0 s ago/.test(reason)))
})

test('a sender whose links all fell silent begins at the floor', (t) => {
  const decision = ask(sender(), { nowMs: T0 + 120_000 })
  if (decision.outcome === 'refuse') return t.fail(decision.reasons.join('; '))
  t.is(decision.abr.start_kbps, 600)
  t.is(decision.pacing.target_kbps, 600)
  t.true(decision.reasons.some((reason) => /beginning at the floor/.test(reason)))
})
