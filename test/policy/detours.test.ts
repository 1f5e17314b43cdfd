import test from 'ava'
import { STREAM_CLASSES } from '../../common/wire/stream.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import { isDetourReason, judgeDetour } from '../../policy/detours.ts'
import { TopologyGraph } from '../../policy/paths/graph.ts'
import { ask, link, node, proves, T0, TENANT } from './makers.ts'

/** A sender with one good link to a hub. */
function overlay() {
  const graph = new TopologyGraph()
  graph.putNode(node('hub-1', 'hub'))
  graph.putNode(node('sender-1', 'sender'))
  const facts = link('eth0', 'sender-1', 'hub-1', { tenantId: TENANT, capacityKbps: 50_000 })
  graph.putLink(facts)
  proves(graph, facts, T0, { rttMs: 10, bitrateKbps: 0 })
  return graph
}

/** The way of a sender over UDP by the class's own buffer. */
function latencyOf(name: (typeof STREAM_CLASSES)[number], rttMs: number) {
  const { ristBuffer, glassToGlassMs } = CLASS_PROFILES[name]
  const ms = Math.min(ristBuffer.maxMs, Math.max(ristBuffer.minMs, ristBuffer.rttMultiple * rttMs))
  return {
    budget_ms: glassToGlassMs,
    estimate_ms: 10 + ms + rttMs / 2 + 4 + 26,
    stages: [{ stage: 'buffer' as const, ms, source: 'computed' as const }],
  }
}

const CASES = [
  {
    name: 'focus',
    rttMs: 0,
    allowed: false,
    sum: '40 without its buffer .* RTT 0 .* 200 .* queue 50 = 290 ms of 200 ms',
  },
  { name: 'focus', rttMs: 30, allowed: false, sum: 'RTT 30 .* = 335 ms of 200 ms' },
  { name: 'director', rttMs: 30, allowed: true, sum: '= 385 ms of 500 ms' },
  { name: 'director', rttMs: 100, allowed: true, sum: '= 490 ms of 500 ms' },
  { name: 'director', rttMs: 150, allowed: false, sum: '= 565 ms of 500 ms' },
  { name: 'record', rttMs: 200, allowed: true, sum: 'of 1000 ms' },
  { name: 'bulk', rttMs: 900, allowed: true, sum: 'and no budget' },
] as const

for (const { name, rttMs, allowed, sum } of CASES)
  test(`${name} at an RTT of ${rttMs} ms: a detour is ${allowed ? 'allowed' : 'refused'}`, (t) => {
    const answer = judgeDetour({ profile: CLASS_PROFILES[name], latency: latencyOf(name, rttMs), rttMs })
    t.is(answer.allowed, allowed)
    t.regex(answer.reason, new RegExp(sum, 's'))
    t.regex(answer.reason, allowed ? /^detour over TCP allowed/ : /^detour over TCP refused/)
    t.true(isDetourReason(answer.reason))
    t.is(answer.queueMs, CLASS_PROFILES[name].ristBuffer.minMs)
  })

test('a longer way is never allowed where a shorter one is refused', (t) => {
  for (const name of STREAM_CLASSES) {
    let refused = false
    for (let rttMs = 0; rttMs <= 1000; rttMs += 5) {
      const { allowed } = judgeDetour({
        profile: CLASS_PROFILES[name],
        latency: latencyOf(name, rttMs),
        rttMs,
      })
      t.false(refused && allowed, `${name} at ${rttMs} ms`)
      refused ||= !allowed
    }
  }
})

test('a granted RIST sender learns which detours its class allows, and why', (t) => {
  for (const name of STREAM_CLASSES) {
    const decision = ask(overlay(), {
      request: { action: 'publish', class: name, preferred_transports: ['rist'], node_id: 'sender-1' },
      facts: { stream: null },
    })
    if (decision.outcome === 'refuse') return t.fail(decision.reasons.join('\n'))
    t.is(decision.transport, 'rist')
    const reasons = decision.reasons.filter(isDetourReason)
    t.is(reasons.length, 1)
    t.deepEqual(
      decision.detours.map(({ via }) => via),
      decision.class === 'focus' ? [] : ['wss'],
    )
  }
})

test('where the hub knows a TURN relay, the relay is tried before the WebSocket', (t) => {
  const relay = {
    ...{ nodeId: 'hub-1', tenantId: null, region: null, down: null, load: 0, rttMs: null, loss: 0 },
  }
  const vias = (name: (typeof STREAM_CLASSES)[number], down: string | null) => {
    const decision = ask(overlay(), {
      request: { action: 'publish', class: name, preferred_transports: ['rist'], node_id: 'sender-1' },
      facts: { stream: null, relays: [{ ...relay, down }] },
      // What forces browsers through a relay is no matter of RIST.
      policy: { relay: { always: ['class:record'] } },
    })
    if (decision.outcome === 'refuse') throw new Error(decision.reasons.join('\n'))
    return [...decision.detours.map(({ via }) => via), ...decision.relay.nodes]
  }
  t.deepEqual(vias('record', null), ['turn', 'wss', 'hub-1'])
  t.deepEqual(vias('record', 'it is down'), ['wss'])
  t.deepEqual(vias('focus', null), [])
})

test('viewers are told nothing about detours', (t) => {
  const decision = ask(overlay(), { request: { action: 'subscribe' } })
  if (decision.outcome === 'refuse') return t.fail(decision.reasons.join('\n'))
  t.deepEqual(decision.detours, [])
  t.false(decision.reasons.some(isDetourReason))
})
