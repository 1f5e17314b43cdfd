import test from 'ava'
import type { DecisionRequest } from '../../common/wire/decision.ts'
import type { PathStrategy, PolicyDocument } from '../../common/wire/policy-document.ts'
import { type LinkFacts, type NodeFacts, TopologyGraph } from '../../policy/paths/graph.ts'
import { newLinkView, readLink } from '../../policy/paths/link-view.ts'
import { ask, link, node, proves, report, T0, TENANT } from './makers.ts'

/** A sender, two edges and a hub: `fast` over edge-1, `wide` over edge-2, `short` straight. */
function diamond(): TopologyGraph {
  const graph = new TopologyGraph()
  for (const [nodeId, role] of [
    ['hub-1', 'hub'],
    ['edge-1', 'edge'],
    ['edge-2', 'edge'],
    ['sender-1', 'sender'],
  ] as const) {
    graph.putNode(node(nodeId, role, { reputation: nodeId === 'edge-2' ? 1 : 0.95 }))
  }
  const add = (facts: LinkFacts, rttMs: number, loss = 0) => {
    graph.putLink(facts)
    proves(graph, facts, T0, { rttMs, loss, bitrateKbps: 0, jitterMs: 0 })
  }
  add(link('fast', 'sender-1', 'edge-1', { tenantId: TENANT, capacityKbps: 20_000 }), 10, 0.001)
  add(link('wide', 'sender-1', 'edge-2', { tenantId: TENANT, capacityKbps: 100_000 }), 40)
  add(link('short', 'sender-1', 'hub-1', { tenantId: TENANT, capacityKbps: 12_000 }), 60, 0.02)
  add(link('m1', 'edge-1', 'hub-1', { capacityKbps: 1_000_000 }), 10)
  add(link('m2', 'edge-2', 'hub-1', { capacityKbps: 1_000_000 }), 10)
  return graph
}

function pathOf(
  graph: TopologyGraph,
  policy: PolicyDocument = {},
  request: Partial<DecisionRequest> = {},
): string {
  const decision = ask(graph, { policy, request })
  return decision.outcome === 'refuse' ? decision.refusal.code : decision.path.nodes.join(' > ')
}

test('each strategy finds its own best', (t) => {
  const by = (strategy: PathStrategy, hybrid = {}) =>
    pathOf(diamond(), { paths: { strategies: { focus: strategy }, hybrid } })
  t.is(by('latency'), 'sender-1 > edge-1 > hub-1')
  t.is(by('bandwidth'), 'sender-1 > edge-2 > hub-1')
  t.is(by('hops'), 'sender-1 > hub-1')
  t.is(by('reputation'), 'sender-1 > edge-2 > hub-1')
  t.is(by('hybrid'), 'sender-1 > edge-1 > hub-1')
  t.is(by('hybrid', { latency: 0, loss: 0, bandwidth: 0, reputation: 0, hops: 1 }), 'sender-1 > hub-1')
  t.is(by('hybrid', { latency: 0, loss: 0, hops: 0, bandwidth: 10 }), 'sender-1 > edge-2 > hub-1')
})

test('hard constraints come before cost', (t) => {
  const direct = 'sender-1 > hub-1'
  const change = (more: (graph: TopologyGraph) => void) => {
    const graph = diamond()
    more(graph)
    return graph
  }
  const edge = (more: Partial<NodeFacts>) => change((graph) => graph.putNode(node('edge-1', 'edge', more)))
  const m1 = (more: Partial<LinkFacts>) =>
    change((graph) => graph.putLink(link('m1', 'edge-1', 'hub-1', more)))
  const second = 'sender-1 > edge-2 > hub-1'
  t.is(pathOf(edge({ up: false })), second)
  t.is(pathOf(edge({ transports: [] })), second)
  t.is(pathOf(edge({ load: { workerCpu: 0.9, flows: 0, kbps: 0 } })), second)
  t.is(pathOf(edge({ ceilings: { maxFlows: 0, maxKbps: null } })), second)
  t.is(pathOf(m1({ capacityKbps: 500 })), second)
  t.is(pathOf(edge({ region: 'us' }), { paths: { require_region: 'eu' } }), 'no_path')
  const regional = change((graph) => {
    for (const [nodeId, role] of [
      ['hub-1', 'hub'],
      ['edge-2', 'edge'],
    ] as const) {
      graph.putNode(node(nodeId, role, { region: 'eu' }))
    }
  })
  t.is(pathOf(regional, { paths: { require_region: 'eu' } }), second)
  t.is(pathOf(diamond(), { limits: { max_hops: 1 } }), direct)
  const dead = change((graph) => graph.observe(null, 'edge-1', 'm1', report(T0, { deliveredPackets: 0 })))
  t.is(pathOf(dead), second)
  t.is(pathOf(diamond(), {}, { avoid_links: ['fast'] }), second)
  t.is(pathOf(change((graph) => graph.removeNode(null, 'edge-1'))), second)
  t.is(pathOf(change((graph) => graph.removeLink(null, 'edge-1', 'm1'))), second)
  t.is(pathOf(edge({ role: 'recorder' })), second)
})

test('preferences weigh, they do not forbid', (t) => {
  t.is(pathOf(diamond(), { paths: { avoid_nodes: ['edge-1'] } }), 'sender-1 > edge-2 > hub-1')
  t.is(
    pathOf(diamond(), { paths: { avoid_nodes: ['edge-1', 'edge-2', 'hub-1'] } }),
    'sender-1 > edge-1 > hub-1',
  )
  const better = new TopologyGraph()
  for (const each of ['hub-1', 'edge-1', 'edge-2'] as const) {
    better.putNode(node(each, each === 'hub-1' ? 'hub' : 'edge'))
  }
  better.putNode(node('sender-1', 'sender'))
  for (const edge of ['edge-1', 'edge-2']) {
    const [up, mesh] = [
      link(`u-${edge}`, 'sender-1', edge, { tenantId: TENANT }),
      link(`m-${edge}`, edge, 'hub-1'),
    ]
    for (const facts of [up, mesh]) {
      better.putLink(facts)
      proves(better, facts, T0)
    }
  }
  t.is(pathOf(better), 'sender-1 > edge-1 > hub-1')
  t.is(pathOf(better, { paths: { prefer_nodes: ['edge-2'] } }), 'sender-1 > edge-2 > hub-1')
})

test('what is assumed of a link is worse than what was measured, and takes over with age', (t) => {
  const graph = diamond()
  const at = (ms: number) => readLink(graph.link(TENANT, 'sender-1', 'fast')!, T0 + ms, newLinkView())
  t.like(at(0), { standing: 'serving', weight: 1, rttMs: 10 })
  const [aged, older] = [at(10_000), at(14_000)]
  t.true(aged.rttMs > 10 && older.rttMs > aged.rttMs && older.weight < aged.weight)
  t.like(at(20_000), { standing: 'silent', weight: 0, rttMs: 100 })
  const slow = graph.link(TENANT, 'sender-1', 'short')!
  graph.observe(TENANT, 'sender-1', 'short', report(T0, { rttMs: 900 }))
  t.is(readLink(slow, T0 + 60_000, newLinkView()).rttMs, 900)
})

test('an unproven link is used only where no proven one leads there', (t) => {
  const graph = diamond()
  graph.putLink(link('new', 'sender-1', 'hub-1', { tenantId: TENANT }))
  graph.observe(
    TENANT,
    'sender-1',
    'new',
    report(T0, { rttMs: 1, sentPackets: null, deliveredPackets: null }),
  )
  t.is(pathOf(graph), 'sender-1 > edge-1 > hub-1')
  for (const linkId of ['fast', 'wide', 'short']) {
    graph.observe(TENANT, 'sender-1', linkId, report(T0 + 1, { deliveredPackets: 0 }))
  }
  const decision = ask(graph, { nowMs: T0 + 1 })
  t.true(decision.outcome === 'grant' && decision.path.links[0] === 'new')
})

test('the graph keeps up with what comes and goes', (t) => {
  const graph = diamond()
  const slots = [graph.nodeSlots, graph.linkSlots]
  t.false(graph.putLink(link('x', 'sender-1', 'nobody')))
  t.false(graph.putLink(link('x', 'sender-1', 'sender-1')))
  t.false(graph.observe(TENANT, 'sender-1', 'nothing', report(T0)))
  t.false(graph.observe('other', 'sender-1', 'fast', report(T0)))
  for (let round = 0; round < 5; round += 1) {
    graph.removeNode(null, 'edge-1')
    t.is(graph.link(TENANT, 'sender-1', 'fast'), undefined)
    graph.putNode(node('edge-1', 'edge'))
    graph.putLink(link('fast', 'sender-1', 'edge-1', { tenantId: TENANT }))
    graph.putLink(link('m1', 'edge-1', 'hub-1'))
  }
  t.deepEqual([graph.nodeSlots, graph.linkSlots], slots)
  t.is([...graph.nodes()].length, 4)
  t.is([...graph.links()].length, 5)
  const kept = graph.link(TENANT, 'sender-1', 'wide')?.evidence
  graph.putLink(link('wide', 'sender-1', 'edge-2', { tenantId: TENANT, capacityKbps: 1 }))
  t.is(graph.link(TENANT, 'sender-1', 'wide')?.evidence, kept)
  graph.putLink(link('wide', 'sender-1', 'hub-1', { tenantId: TENANT }))
  t.is(graph.link(TENANT, 'sender-1', 'wide')?.metrics, null)
  t.is(graph.node(null, 'edge-2')?.arcs.length, 1)
})

test('two tenants may use the same names', (t) => {
  const graph = diamond()
  graph.putNode(node('sender-1', 'sender', { tenantId: 'other' }))
  graph.putLink(link('fast', 'sender-1', 'hub-1', { tenantId: 'other' }))
  t.is(graph.link(TENANT, 'sender-1', 'fast')?.to.facts.nodeId, 'edge-1')
  t.is(graph.link('other', 'sender-1', 'fast')?.to.facts.nodeId, 'hub-1')
  graph.putLink(link('m1', 'edge-1', 'hub-1', { tenantId: 'other', capacityKbps: 1 }))
  t.is(graph.link(null, 'edge-1', 'm1')?.facts.capacityKbps, 1_000_000)
  t.is(pathOf(graph), 'sender-1 > edge-1 > hub-1')
})
