import test from 'ava'
import {
  type Decision,
  type DecisionRequest,
  decisionSchema,
  type GrantedDecision,
} from '../../common/wire/decision.ts'
import { type PolicyDocument, policyDocumentSchema } from '../../common/wire/policy-document.ts'
import { STREAM_CLASSES } from '../../common/wire/stream.ts'
import { decide } from '../../policy/decide.ts'
import { effectivePolicy } from '../../policy/effective.ts'
import { BROWSER, type DecisionFacts } from '../../policy/facts.ts'
import type { TopologyGraph } from '../../policy/paths/graph.ts'
import { facts, principal, request, T0, TENANT } from './makers.ts'
import { type RandomOverlay, randomOverlay } from './overlay-maker.ts'
import { Seeded } from './seeded.ts'

const TENANTS = [TENANT, 'other', 'third']

interface Case {
  readonly overlay: RandomOverlay
  readonly asked: DecisionRequest
  readonly document: PolicyDocument
  readonly known: (topology: TopologyGraph) => DecisionFacts
}

function someCase(random: Seeded): Case {
  const overlay = randomOverlay(random, TENANTS)
  const senders = overlay.nodes.filter(({ role }) => role === 'sender')
  const action = random.pick(['publish', 'subscribe', 'reroute'] as const)
  const { node_id: _, ...plain } = request({
    action,
    class: random.pick(STREAM_CLASSES),
    preferred_transports: random.pick([[], ['webrtc'], ['srt', 'rist']]),
    by_hand: random.chance(0.1),
  })
  const asked: DecisionRequest = random.chance(0.7)
    ? { ...plain, node_id: random.pick(senders).nodeId }
    : plain
  const document: PolicyDocument = {
    ...(random.chance(0.3)
      ? { encryption: { min_aes_bits: 256, forbid_transports: [random.pick(['rist', 'webrtc'])] } }
      : {}),
    ...(random.chance(0.3)
      ? { paths: { require_region: 'eu', prefer_nodes: ['edge-1'], avoid_nodes: ['edge-2'] } }
      : {}),
    ...(random.chance(0.3)
      ? { admission: { max_streams: random.int(0, 5), downgrade: random.chance(0.5) } }
      : {}),
    ...(random.chance(0.2)
      ? {
          paths: {
            strategies: {
              [asked.class]: random.pick(['latency', 'bandwidth', 'hops', 'reputation', 'hybrid']),
            },
          },
        }
      : {}),
  }
  const home = random.pick(['hub-1', 'hub-1', 'edge-1', null])
  const history = { switched_at: T0 - random.int(0, 60_000), better_since: random.pick([null, T0 - 5000]) }
  const edge = random.pick(['edge-1', 'hub-1'])
  const current = {
    nodes: [asked.node_id ?? 'sender-1', edge, ...(edge === 'hub-1' ? [] : ['hub-1'])],
    links: ['l0', 'l1'],
    bindings: [{ link_id: 'l0', node_id: edge, weight: 100 }],
    kbps: 2000,
    history,
  }
  const usage = {
    streams: random.int(0, 5),
    streamsOfToken: 0,
    viewers: 3,
    viewersOfStream: 1,
    uplinkKbps: 0,
  }
  const exists = random.chance(0.9)
  return {
    overlay,
    asked,
    document: policyDocumentSchema.parse(document),
    known: (topology) =>
      facts(topology, {
        usage,
        peer: BROWSER,
        stream: exists
          ? { tenantId: TENANT, streamId: asked.stream_id, homeNodeId: home, upstream: null }
          : null,
        current: action === 'reroute' ? current : null,
      }),
  }
}

function answer(
  { overlay, asked, document, known }: Case,
  order: Seeded,
): { decision: Decision; topology: TopologyGraph } {
  const topology = overlay.build(order)
  const policy = effectivePolicy(TENANT, document, 1)
  return {
    decision: decide({ principal: principal(), request: asked }, known(topology), policy, T0),
    topology,
  }
}

test('whatever is asked of whatever overlay', (t) => {
  const random = new Seeded(5)
  const outcomes = { grant: 0, downgrade: 0, refuse: 0 }
  for (let round = 0; round < 1500; round += 1) {
    const each = someCase(random)
    const { decision, topology } = answer(each, new Seeded(round))
    const label = JSON.stringify({ round, asked: each.asked, document: each.document })
    outcomes[decision.outcome] += 1
    t.notThrows(() => decisionSchema.parse(decision), label)
    t.true(decision.reasons.length > 0 && decision.reasons.every((reason) => reason.length > 0), label)
    t.deepEqual(answer(each, new Seeded(round + 10_000)).decision, decision, label)
    tellsNothingForeign(decision)
    if (decision.outcome === 'refuse') {
      t.true(decision.refusal.message.length > 0 && decision.refusal.status >= 400, label)
      t.true(decision.reasons.join('\n').includes(decision.refusal.message), label)
    } else keepsItsPromises(decision, topology, each)
  }
  t.true(Math.min(...Object.values(outcomes)) > 15, JSON.stringify(outcomes))

  function tellsNothingForeign({ reasons }: Decision): void {
    for (const reason of reasons) t.notRegex(reason, /other|third/)
  }

  function keepsItsPromises(
    decision: GrantedDecision,
    topology: TopologyGraph,
    { asked, document }: Case,
  ): void {
    const { path, overlay, abr, pacing, latency } = decision
    const owners = path.nodes.map((nodeId) => topology.node(TENANT, nodeId)?.facts.tenantId)
    t.true(owners.every((owner) => owner === null || owner === TENANT))
    t.true(path.nodes.includes(overlay.edge))
    t.is(new Set(path.nodes).size, path.nodes.length)
    t.true(STREAM_CLASSES.indexOf(decision.class) >= STREAM_CLASSES.indexOf(asked.class))
    t.is(decision.outcome === 'grant', decision.class === asked.class)
    t.true(abr.min_kbps <= abr.start_kbps && abr.start_kbps <= abr.max_kbps && abr.min_kbps > 0)
    t.true(pacing.target_kbps === abr.start_kbps && pacing.max_kbps >= abr.max_kbps)
    t.true(latency.budget_ms === null || latency.estimate_ms <= latency.budget_ms)
    const sum = latency.stages.reduce((total, { ms }) => total + ms, 0)
    t.true(Math.abs(sum - latency.estimate_ms) < 0.5)
    t.false(document.encryption?.forbid_transports?.includes(decision.transport) ?? false)
    t.true(decision.encryption.aes_bits >= (document.encryption?.min_aes_bits ?? 128))
    for (const { link_id } of overlay.bindings) {
      const links = topology.node(TENANT, asked.node_id ?? '')?.arcs ?? []
      t.true(links.some(({ link }) => link.facts.linkId === link_id && link.facts.tenantId !== 'other'))
    }
    if (decision.class === 'focus') t.true(overlay.bindings.length <= 2)
    t.true(decision.expires_at > T0)
  }
})

test('who is denied is refused, whatever else holds', (t) => {
  const random = new Seeded(6)
  for (let round = 0; round < 200; round += 1) {
    const each = someCase(random)
    const acl = [
      { effect: 'allow' as const, subjects: ['*'], actions: ['*' as const], streams: ['*'] },
      {
        effect: 'deny' as const,
        subjects: [random.pick(['*', 'user:o?', 'role:operator'])],
        actions: [each.asked.action],
        streams: ['cam*'],
      },
    ]
    const denied = { ...each, document: { ...each.document, acl: random.shuffled(acl) } }
    const { decision } = answer(denied, random)
    t.true(decision.outcome === 'refuse' && decision.refusal.code === 'acl_denied')
  }
})
