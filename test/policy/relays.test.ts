import test from 'ava'
import type { DecisionRequest } from '../../common/wire/decision.ts'
import { type PolicyDocument, policyDocumentSchema } from '../../common/wire/policy-document.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import { TopologyGraph } from '../../policy/paths/graph.ts'
import { chooseRelays, compileRelayAlways, type RelayFacts } from '../../policy/relays.ts'
import { ask, node, principal, TENANT, WEBRTC } from './makers.ts'

const relay = (nodeId: string, more: Partial<RelayFacts> = {}): RelayFacts => ({
  nodeId,
  tenantId: null,
  region: null,
  down: null,
  load: 0,
  rttMs: 10,
  loss: 0,
  ...more,
})

interface Asked {
  readonly relays?: readonly RelayFacts[]
  readonly always?: readonly string[]
  readonly who?: Parameters<typeof principal>[0]
  readonly streamClass?: StreamClass
  readonly wish?: 'always' | 'needed'
  readonly needsRelay?: boolean
  readonly avoid?: readonly string[]
  readonly prefer?: readonly string[]
  readonly region?: string
}

function choose(asked: Asked = {}) {
  return chooseRelays({
    principal: principal(asked.who),
    request: { tenant_id: TENANT, ...(asked.wish && { preference: { relay: asked.wish } }) },
    streamClass: asked.streamClass ?? 'director',
    relays: asked.relays ?? [relay('hub', { rttMs: null })],
    needsRelay: asked.needsRelay ?? false,
    rules: {
      relayAlways: compileRelayAlways(asked.always ?? []),
      avoidNodes: new Set(asked.avoid),
      preferNodes: new Set(asked.prefer),
      requireRegion: asked.region ?? null,
    },
  })
}

test('relays are offered by their delay and load, and never those that are down, full or foreign', (t) => {
  const cases: [string, Asked, readonly string[]][] = [
    ['one', {}, ['hub']],
    ['none', { relays: [] }, []],
    [
      'the nearest first',
      { relays: [relay('far', { rttMs: 80 }), relay('near', { rttMs: 5 })] },
      ['near', 'far'],
    ],
    ['of equals by name', { relays: [relay('b'), relay('a')] }, ['a', 'b']],
    [
      'loss costs',
      { relays: [relay('lossy', { loss: 0.9 }), relay('sound', { rttMs: 12 })] },
      ['sound', 'lossy'],
    ],
    [
      'load costs',
      { relays: [relay('busy', { load: 0.7 }), relay('idle', { rttMs: 60 })] },
      ['idle', 'busy'],
    ],
    ['down', { relays: [relay('a', { down: 'no sign of life for 12 s' }), relay('b')] }, ['b']],
    ['full', { relays: [relay('a', { load: 1 }), relay('b')], wish: 'always' }, ['b']],
    ['kept for those in need', { relays: [relay('a', { load: 0.85 })] }, []],
    ['in need by word', { relays: [relay('a', { load: 0.85 })], wish: 'needed' }, ['a']],
    ['in need as seen', { relays: [relay('a', { load: 0.85 })], needsRelay: true }, ['a']],
    [
      "another tenant's",
      { relays: [relay('theirs', { tenantId: 'other' }), relay('ours', { tenantId: TENANT })] },
      ['ours'],
    ],
    [
      'of the region',
      { relays: [relay('eu', { region: 'eu' }), relay('us', { region: 'us' })], region: 'us' },
      ['us'],
    ],
    ['preferred', { relays: [relay('a'), relay('b', { rttMs: 90 })], prefer: ['b'] }, ['b', 'a']],
    ['avoided', { relays: [relay('a'), relay('b', { rttMs: 90 })], avoid: ['a'] }, ['b', 'a']],
  ]
  for (const [name, asked, nodes] of cases) t.deepEqual(choose(asked).choice.nodes, nodes, name)
  const many = Array.from({ length: 30 }, (_, index) => relay(`r-${index}`))
  t.is(choose({ relays: many }).choice.nodes.length, 8)
})

test('a relay is demanded for the tenant, a class, a viewer, or by wish', (t) => {
  const cases: [string, Asked, boolean][] = [
    ['nobody', {}, false],
    ['everybody', { always: ['*'] }, true],
    ['the class', { always: ['class:focus'], streamClass: 'focus' }, true],
    ['another class', { always: ['class:focus'], streamClass: 'director' }, false],
    ['the user', { always: ['user:guest-*'], who: { id: 'guest-7' } }, true],
    ['another user', { always: ['user:guest-*'], who: { id: 'olga' } }, false],
    ['the role', { always: ['role:viewer'], who: { role: 'viewer' } }, true],
    ['viewers without a token', { always: ['anonymous'], who: { role: 'anonymous' } }, true],
    ['a user named as the anonymous', { always: ['anonymous'], who: { id: 'anonymous' } }, false],
    ['the second entry', { always: ['class:bulk', 'role:operator'] }, true],
    ['its own wish', { wish: 'always' }, true],
    ['a need is no demand', { wish: 'needed' }, false],
  ]
  for (const [name, asked, forced] of cases) {
    const { choice, relayed } = choose(asked)
    t.is(choice.ice_transport_policy, forced ? 'relay' : 'all', name)
    t.is(relayed !== null, forced || asked.wish === 'needed', name)
    const missing = choose({ ...asked, relays: [relay('a', { down: 'gone' })] })
    t.is(missing.missing, forced, name)
    t.is(missing.relayed, null, name)
  }
})

const subscribe = { action: 'subscribe', node_id: undefined, stream_id: 'cam-1' } as const
function watched(
  more: { policy?: PolicyDocument; relays?: RelayFacts[]; request?: Partial<DecisionRequest> } = {},
) {
  const graph = new TopologyGraph()
  graph.putNode(node('hub-1', 'hub'))
  return ask(graph, {
    request: { ...subscribe, ...more.request },
    facts: {
      stream: { tenantId: TENANT, streamId: 'cam-1', homeNodeId: 'hub-1', upstream: null },
      peer: {
        transports: [WEBRTC],
        segments: [],
        region: null,
        reach: [],
        needsRelay: false,
        hostNodeId: null,
      },
      relays: more.relays ?? [relay('hub-1', { rttMs: null }), relay('eu-1', { rttMs: 12.34 })],
    },
    ...(more.policy && { policy: more.policy }),
  })
}

test('a decision names relays, mode and reasons', (t) => {
  const direct = watched()
  t.like(direct, { mode: 'roaming', relay: { ice_transport_policy: 'all', nodes: ['hub-1', 'eu-1'] } })
  t.true(
    direct.reasons.includes(
      "relays, best first: hub-1 (on the hub's machine, 0 % full); eu-1 (12.3 ms from the hub, 0 % full)",
    ),
  )
  const forced = watched({ policy: { relay: { always: ['class:focus'] } } })
  t.like(forced, {
    mode: 'overlay-relay',
    relay: { ice_transport_policy: 'relay', nodes: ['hub-1', 'eu-1'] },
  })
  t.true(forced.reasons.includes('through a relay only: the policy\'s relay.always has "class:focus"'))
  const down = relay('hub-1', { down: 'no sign of life for 11 s' })
  const refused = watched({ policy: { relay: { always: ['*'] } }, relays: [down] })
  t.like(refused, { outcome: 'refuse', refusal: { code: 'no_path', status: 503, resource: 'relay' } })
  t.true(refused.reasons.some((reason) => reason.includes('hub-1 is left out: no sign of life for 11 s')))
  t.like(watched({ relays: [down] }), { mode: 'roaming', relay: { ice_transport_policy: 'all', nodes: [] } })
  t.like(watched({ request: { preference: { relay: 'needed' } } }), {
    mode: 'overlay-relay',
    relay: { ice_transport_policy: 'all' },
  })
})

test('the policy document takes subjects and classes, and nothing else', (t) => {
  for (const entry of ['*', 'anonymous', 'role:viewer', 'user:a*', 'node:n1', 'class:bulk'])
    t.true(policyDocumentSchema.safeParse({ relay: { always: [entry] } }).success, entry)
  for (const entry of ['', 'class:', 'class:all', 'role:king', 'everybody', '__proto__', 'class:constructor'])
    t.false(policyDocumentSchema.safeParse({ relay: { always: [entry] } }).success, entry)
})
