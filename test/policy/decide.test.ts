import test from 'ava'
import { type Decision, decisionSchema } from '../../common/wire/decision.ts'
import type { PolicyDocument } from '../../common/wire/policy-document.ts'
import { BROWSER, programOn } from '../../policy/facts.ts'
import { type NodeFacts, TopologyGraph } from '../../policy/paths/graph.ts'
import { ask, link, node, proves, RIST, SRT, T0, TENANT, WEBRTC } from './makers.ts'

/** A sender with one good link to a hub, and an edge beside it. */
function overlay(more: { hub?: Partial<NodeFacts>; sender?: Partial<NodeFacts>; rttMs?: number } = {}) {
  const graph = new TopologyGraph()
  graph.putNode(node('hub-1', 'hub', more.hub))
  graph.putNode(node('edge-1', 'edge'))
  graph.putNode(node('sender-1', 'sender', more.sender))
  graph.putNode(node('theirs', 'sender', { tenantId: 'other' }))
  const links = [
    link('eth0', 'sender-1', 'hub-1', { tenantId: TENANT, capacityKbps: 50_000 }),
    link('m1', 'edge-1', 'hub-1'),
    link('eth0', 'theirs', 'hub-1', { tenantId: 'other' }),
  ]
  for (const facts of links) {
    graph.putLink(facts)
    proves(graph, facts, T0, { rttMs: more.rttMs ?? 10, bitrateKbps: 0 })
  }
  return graph
}

function told(decision: Decision): string {
  checkWire(decision)
  return decision.outcome === 'refuse' ? decision.refusal.code : `${decision.outcome} ${decision.class}`
}

/** Every answer fits the wire, and gives its reasons. */
function checkWire(decision: Decision): void {
  decisionSchema.parse(decision)
  if (decision.reasons.length === 0) throw new Error('no reasons')
}

const someStream = { tenantId: TENANT, streamId: 'cam-1', homeNodeId: 'hub-1', upstream: null }
const viewer = { action: 'subscribe', node_id: undefined } as const

test('a grant says what, how and why', (t) => {
  const decision = ask(overlay())
  if (decision.outcome !== 'grant') return t.fail(told(decision))
  checkWire(decision)
  t.like(decision, {
    class: 'focus',
    transport: 'rist',
    mode: 'roaming',
    encryption: { aes_bits: 256, authentication: 'srp' },
    buffer: { start_ms: 50, min_ms: 50, max_ms: 120, rtt_multiple: 4 },
    abr: { min_kbps: 600, start_kbps: 3000, max_kbps: 8000 },
    overlay: { path: ['sender-1', 'hub-1'], edge: 'hub-1' },
    switched: true,
    spare: [],
    probe: [],
    expires_at: T0 + 600_000,
    rule: 'operators run the tenant',
  })
  t.deepEqual(decision.overlay.bindings, [{ link_id: 'eth0', node_id: 'hub-1', weight: 100 }])
  t.is(decision.latency.estimate_ms, 70)
  for (const words of [
    /rule "operators/,
    /transport rist/,
    /path sender-1 > hub-1/,
    /buffer 50/,
    /70 ms of 200/,
    /mode/,
  ]) {
    t.true(
      decision.reasons.some((reason) => words.test(reason)),
      String(words),
    )
  }
})

test('who may not is told so, with the rule', (t) => {
  const decision = ask(overlay(), { principal: { id: 'eve', role: 'viewer' } })
  t.is(told(decision), 'acl_denied')
  t.like(decision, { refusal: { status: 403, rule: 'no rule' } })
  const acl = [
    { effect: 'allow', subjects: ['*'], actions: ['*'], streams: ['*'] },
    { name: 'not this one', effect: 'deny', subjects: ['*'], actions: ['publish'], streams: ['cam-?'] },
  ] as const
  const policy = {
    acl: acl.map((rule) => ({
      ...rule,
      subjects: ['*'],
      actions: [...rule.actions],
      streams: [...rule.streams],
    })),
  }
  t.like(ask(overlay(), { policy }), { refusal: { code: 'acl_denied', rule: 'not this one' } })
  t.is(told(ask(overlay(), { policy, request: { stream_id: 'cam-10' } })), 'grant focus')
})

test("another tenant's things are as good as none", (t) => {
  const foreign = { ...someStream, tenantId: 'other' }
  const missing = ask(overlay(), { request: viewer, facts: { stream: null } })
  t.deepEqual(ask(overlay(), { request: viewer, facts: { stream: foreign } }), missing)
  t.is(told(missing), 'stream_not_found')
  const outsider = ask(overlay(), { request: viewer, principal: { tenant_id: 'other' } })
  t.like(outsider, { outcome: 'refuse', refusal: { code: 'stream_not_found', status: 404 } })
  t.deepEqual(
    ask(overlay(), { request: { node_id: 'theirs' } }).reasons.map((reason) => reason.replace('theirs', 'x')),
    ask(overlay(), { request: { node_id: 'nobodys' } }).reasons.map((reason) =>
      reason.replace('nobodys', 'x'),
    ),
  )
  t.is(told(ask(overlay(), { request: { node_id: 'hub-1' } })), 'node_not_found')
  t.is(told(ask(overlay(), { request: { tenant_id: 'other' } })), 'stream_not_found')
})

test('a new stream may be published, not watched or rerouted', (t) => {
  const none = { facts: { stream: null } }
  t.is(told(ask(overlay(), none)), 'grant focus')
  t.is(told(ask(overlay(), { ...none, request: viewer })), 'stream_not_found')
  t.is(told(ask(overlay(), { ...none, request: { action: 'reroute' } })), 'stream_not_found')
})

test('nodes that are missing, down or full', (t) => {
  t.is(told(ask(overlay(), { request: { node_id: 'sender-9' } })), 'node_not_found')
  t.is(told(ask(overlay({ sender: { up: false } }))), 'node_down')
  t.is(told(ask(overlay({ hub: { up: false } }))), 'no_path')
  const busy = ask(overlay({ hub: { load: { workerCpu: 0.93, flows: 9, kbps: 0 } } }))
  t.like(busy, { refusal: { code: 'saturated', status: 503, resource: 'worker_cpu' } })
  t.regex(busy.reasons.join('\n'), /hub-1: least busy worker at 93 %, ceiling 85 %/)
  const full = overlay({
    hub: { ceilings: { maxFlows: 9, maxKbps: null }, load: { workerCpu: 0, flows: 9, kbps: 0 } },
  })
  t.like(ask(full), { refusal: { code: 'saturated', resource: 'node_flows' } })
  t.like(ask(full, { request: viewer }), { refusal: { code: 'saturated', resource: 'node_flows' } })
  // Whoever could go to any hub, a browser or a sender of which no link is known, is told of the full one.
  const anyHub = { request: { node_id: undefined }, facts: { stream: null } }
  t.like(ask(full, anyHub), { refusal: { code: 'saturated', resource: 'node_flows' } })
  const drained = ask(overlay({ hub: { ceilings: { maxFlows: 0, maxKbps: null } } }), anyHub)
  t.like(drained, { refusal: { code: 'saturated', resource: 'node_draining' } })
  t.regex(drained.reasons.join('\n'), /hub-1 is being drained/)
})

test('a hub without a connection left takes no viewer', (t) => {
  const connections = (used: number) => ({
    facts: { connections: { used, anonymous: 9, most: 10 } },
    request: viewer,
  })
  t.is(told(ask(overlay(), connections(9))), 'grant focus')
  const full = ask(overlay(), connections(10))
  t.like(full, { refusal: { code: 'saturated', status: 503, resource: 'viewer_connections' } })
  t.true(full.reasons.includes('viewer_connections: 10 of 10 connections of the hub'))
  const anonymous = { viewers: 0, viewersOfStream: 0, viewersOfAddress: 0 }
  const open = ask(overlay(), { ...connections(9), facts: { ...connections(9).facts, anonymous } })
  t.true(
    open.reasons.includes(
      'viewer_connections: 9 of 9 connections that the hub has for viewers without a token',
    ),
    'who has a token comes first',
  )
  const renewing = { ...connections(10), facts: { ...connections(10).facts, renews: true } }
  t.is(told(ask(overlay(), renewing)), 'grant focus', 'who watches has its place')
  t.is(told(ask(overlay(), { facts: { connections: { used: 10, anonymous: 9, most: 10 } } })), 'grant focus')
})

test('quotas of the tenant', (t) => {
  const usage = { streams: 4, streamsOfToken: 2, viewers: 10, viewersOfStream: 5, uplinkKbps: 10_000 }
  const quota = (admission: object, request = {}) =>
    ask(overlay(), { policy: { admission }, facts: { usage }, request })
  t.like(quota({ max_streams_per_token: 2, max_streams: 4 }), {
    refusal: { code: 'saturated', status: 503, resource: 'token_streams' },
  })
  t.like(quota({ max_streams: 4 }), { refusal: { code: 'saturated', resource: 'tenant_streams' } })
  t.like(quota({ uplink_kbps: 10_100 }), { refusal: { resource: 'tenant_uplink' } })
  t.like(quota({ max_viewers: 10 }, viewer), { refusal: { resource: 'tenant_viewers' } })
  t.like(quota({ max_viewers_per_stream: 5 }, viewer), { refusal: { resource: 'stream_viewers' } })
  t.is(told(quota({ max_streams: 4 }, { action: 'reroute' })), 'grant focus')
  t.like(quota({ uplink_kbps: 12_000 }), { outcome: 'grant', abr: { max_kbps: 2000 } })
})

test('encryption that can not be met is not offered', (t) => {
  const with128 = overlay({ sender: { transports: [{ ...RIST, aes_bits: 128 }, WEBRTC] } })
  t.like(ask(with128), { transport: 'rist', encryption: { aes_bits: 128 } })
  t.like(ask(with128, { policy: { encryption: { min_aes_bits: 256 } } }), {
    transport: 'webrtc',
    encryption: { aes_bits: 256 },
  })
  const refused = ask(with128, {
    policy: { encryption: { min_aes_bits: 256, forbid_transports: ['webrtc'] } },
  })
  t.is(told(refused), 'no_transport')
  t.regex(refused.reasons.join('\n'), /rist rejected: rist here reaches AES-128, policy demands AES-256/)
  const bareRtp = overlay({ sender: { transports: [{ transport: 'rtp', keying: 'none', aes_bits: 128 }] } })
  t.is(told(ask(bareRtp)), 'no_transport')
  // Only the focus class is forbidden to use RIST: a lesser class may.
  const perClass = {
    encryption: { classes: { focus: { forbid_transports: ['rist' as const, 'webrtc' as const] } } },
  }
  t.is(told(ask(overlay(), { policy: perClass })), 'downgrade director')
})

test('the transport is what both ends speak, in the order asked for', (t) => {
  t.like(ask(overlay(), { request: { preferred_transports: ['webrtc'] } }), {
    transport: 'webrtc',
    buffer: null,
  })
  const srtToo = { sender: { transports: [SRT, RIST] } }
  const hubWithoutSrt = ask(overlay(srtToo), { request: { preferred_transports: ['srt'] } })
  t.like(hubWithoutSrt, { outcome: 'grant', transport: 'rist' })
  t.regex(hubWithoutSrt.reasons.join('\n'), /srt rejected: no path/)
  t.is(told(ask(overlay({ sender: { transports: [SRT] } }))), 'no_path')
  t.like(
    ask(overlay({ ...srtToo, hub: { transports: [SRT, RIST] } }), {
      request: { preferred_transports: ['srt'] },
    }),
    {
      transport: 'srt',
      encryption: { authentication: 'passphrase' },
    },
  )
})

test('a class that does not fit is lowered to the best that does, with the arithmetic', (t) => {
  const onlyRist = { sender: { transports: [RIST] } }
  const slow = ask(overlay({ ...onlyRist, rttMs: 150 }))
  t.is(told(slow), 'downgrade director')
  t.like(slow, { requested_class: 'focus', abr: { max_kbps: 6000 } })
  t.regex(slow.reasons.join('\n'), /latency does not fit: encode 10 .* = 210 ms of 200 ms/)
  t.is(told(ask(overlay({ ...onlyRist, rttMs: 400 }))), 'downgrade bulk')
  const firm = ask(overlay({ ...onlyRist, rttMs: 150 }), { policy: { admission: { downgrade: false } } })
  t.like(firm, { refusal: { code: 'latency_budget', status: 409 } })
  // WebRTC waits for no retransmission buffer: better than a lesser class.
  t.like(ask(overlay({ rttMs: 150 })), { outcome: 'grant', transport: 'webrtc' })
  t.is(told(ask(overlay(onlyRist), { facts: { measured: { encode: 465 } } })), 'downgrade record')
})

test('a class whose floor the path can not carry is lowered too', (t) => {
  const graph = overlay()
  graph.putLink(link('eth0', 'sender-1', 'hub-1', { tenantId: TENANT, capacityKbps: 550 }))
  const decision = ask(graph)
  t.is(told(decision), 'downgrade director')
  t.like(decision, { abr: { min_kbps: 400, max_kbps: 440 } })
  graph.putLink(link('eth0', 'sender-1', 'hub-1', { tenantId: TENANT, capacityKbps: 100 }))
  t.is(told(ask(graph)), 'downgrade bulk')
  graph.putLink(link('eth0', 'sender-1', 'hub-1', { tenantId: TENANT, capacityKbps: 20 }))
  t.is(told(ask(graph)), 'saturated')
})

test('a viewer gets the nearest hub or edge that serves it', (t) => {
  const reach = (hub: number, edge: number) => ({
    ...BROWSER,
    reach: [
      { nodeId: 'hub-1', rttMs: hub, jitterMs: 0, loss: 0 },
      { nodeId: 'edge-1', rttMs: edge, jitterMs: 0, loss: 0 },
    ],
  })
  const served = (peer: typeof BROWSER) => ask(overlay(), { request: viewer, facts: { peer } })
  t.like(served(BROWSER), { transport: 'webrtc', overlay: { path: ['hub-1'], edge: 'hub-1', bindings: [] } })
  t.like(served(reach(20, 20)), { overlay: { edge: 'hub-1' } })
  t.like(served(reach(150, 10)), { overlay: { path: ['hub-1', 'edge-1'], edge: 'edge-1' } })
  const local = overlay({ hub: { segments: ['studio'] } })
  t.like(ask(local, { request: viewer, facts: { peer: { ...BROWSER, segments: ['studio'] } } }), {
    mode: 'lan-direct',
  })
  t.is(told(served({ ...BROWSER, transports: [SRT] })), 'no_path')
  t.like(ask(overlay(), { request: { ...viewer, preference: { max_kbps: 900 } } }), {
    abr: { max_kbps: 900 },
  })
})

test("a program of the hub's own takes a stream on loopback, and no viewer's place", (t) => {
  const asked = { request: viewer, facts: { peer: programOn('hub-1') } } as const
  const usage = { streams: 1, streamsOfToken: 0, viewers: 9, viewersOfStream: 9, uplinkKbps: 0 }
  const full = { admission: { max_viewers: 9, max_viewers_per_stream: 9 } }
  const connections = { used: 8, anonymous: 0, most: 8 }
  const crowd = { ...asked, facts: { ...asked.facts, usage, connections }, policy: full }
  t.is(told(ask(overlay(), { ...crowd, facts: { usage, connections } })), 'saturated', 'a viewer')
  t.is(told(ask(overlay(), crowd)), 'grant focus')
  t.like(ask(overlay(), crowd), {
    transport: 'rtp',
    encryption: { scheme: 'plain RTP on loopback', authentication: 'loopback' },
    overlay: { path: ['hub-1'], edge: 'hub-1', bindings: [] },
  })
  const workersFull = { resource: 'worker_cpu', words: 'all of them' }
  t.is(told(ask(overlay(), { ...crowd, facts: { ...crowd.facts, workersFull } })), 'saturated')
  // Who is on another machine gets no plain RTP, nor does the tenant that forbids it.
  t.is(
    told(ask(overlay(), { ...asked, facts: { peer: { ...programOn('hub-1'), hostNodeId: null } } })),
    'no_transport',
  )
  const forbidding: PolicyDocument = { encryption: { forbid_transports: ['rtp'] } }
  t.is(told(ask(overlay(), { ...asked, policy: forbidding })), 'no_transport')
  const others = { tenant_id: 'other' }
  t.is(told(ask(overlay(), { ...asked, principal: others })), 'stream_not_found')
})

test("a viewer's class must fit on top of its stream's latency", (t) => {
  const published = ask(overlay({ sender: { transports: [RIST] } }), { request: { class: 'record' } })
  if (published.outcome === 'refuse') return t.fail()
  const stream = { ...someStream, upstream: published.latency }
  t.is(
    told(ask(overlay(), { request: { ...viewer, class: 'focus' }, facts: { stream } })),
    'downgrade director',
  )
})

test('a browser publishes through a hub or edge near it', (t) => {
  const browser = { node_id: undefined, class: 'director' } as const
  const near = { ...BROWSER, reach: [{ nodeId: 'edge-1', rttMs: 5, jitterMs: 0, loss: 0 }] }
  t.like(ask(overlay(), { request: browser, facts: { peer: near } }), {
    transport: 'webrtc',
    overlay: { path: ['edge-1', 'hub-1'], edge: 'edge-1' },
  })
  t.like(ask(overlay(), { request: browser, facts: { stream: null } }), { overlay: { path: ['hub-1'] } })
})

test('a player that is a node gets a path from the hub to itself', (t) => {
  const graph = overlay()
  graph.putNode(node('recorder-1', 'recorder', { transports: [WEBRTC] }))
  const eth = link('eth0', 'recorder-1', 'edge-1', { tenantId: TENANT })
  graph.putLink(eth)
  proves(graph, eth, T0)
  const decision = ask(graph, { request: { action: 'subscribe', node_id: 'recorder-1' } })
  t.like(decision, {
    path: { nodes: ['hub-1', 'edge-1', 'recorder-1'], links: ['m1', 'eth0'] },
    overlay: { edge: 'edge-1' },
  })
  if (decision.outcome === 'refuse') return
  const current = {
    nodes: decision.path.nodes,
    links: decision.path.links,
    bindings: [],
    kbps: 0,
    history: decision.history,
  }
  const again = ask(graph, { request: { action: 'subscribe', node_id: 'recorder-1' }, facts: { current } })
  t.like(again, { switched: false, path: { nodes: decision.path.nodes } })
})

test('a sender of which no link is known dials its hub', (t) => {
  const graph = new TopologyGraph()
  graph.putNode(node('hub-1', 'hub', { segments: ['lan'] }))
  graph.putNode(node('sender-1', 'sender', { segments: ['lan'] }))
  const first = ask(graph)
  t.like(first, { outcome: 'grant', mode: 'lan-direct', path: { nodes: ['sender-1', 'hub-1'], links: [] } })
  t.regex(first.reasons.join('\n'), /no link is known yet/)
  if (first.outcome === 'refuse') return
  const current = { nodes: first.path.nodes, links: [], bindings: [], kbps: 3000, history: first.history }
  t.like(ask(graph, { request: { action: 'reroute' }, facts: { current } }), { switched: false })
  const eth = link('eth0', 'sender-1', 'hub-1', { tenantId: TENANT })
  graph.putLink(eth)
  proves(graph, eth, T0)
  t.like(ask(graph, { request: { action: 'reroute' }, facts: { current } }), {
    switched: false,
    path: { links: ['eth0'] },
  })
})

test('reroute by hand leaves the links it names at once', (t) => {
  const graph = overlay()
  const lte = link('lte', 'sender-1', 'edge-1', { tenantId: TENANT })
  graph.putLink(lte)
  proves(graph, lte, T0, { rttMs: 40 })
  const current = {
    nodes: ['sender-1', 'hub-1'],
    links: ['eth0'],
    bindings: [{ link_id: 'eth0', node_id: 'hub-1', weight: 100 }],
    kbps: 3000,
    history: { switched_at: T0 - 1000, better_since: null },
  }
  const move = (by_hand: boolean) =>
    ask(graph, { request: { action: 'reroute', avoid_links: ['eth0'], by_hand }, facts: { current } })
  t.like(move(true), { switched: true, overlay: { path: ['sender-1', 'edge-1', 'hub-1'] } })
  t.like(move(false), { switched: false, overlay: { path: ['sender-1', 'hub-1'] } })
})
