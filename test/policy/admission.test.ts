import test from 'ava'
import type { Mode } from '../../common/wire/ids.ts'
import { chooseAbr, choosePacing } from '../../policy/abr-bounds.ts'
import { type BudgetFacts, describeLatency, estimateLatency, fitsBudget } from '../../policy/admission.ts'
import { chooseBuffer } from '../../policy/buffer.ts'
import { linkCapacityKbps, saturatedQuota, saturatedResource } from '../../policy/capacity.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import { chooseMode, type ModeFacts } from '../../policy/mode-choice.ts'
import { TopologyGraph } from '../../policy/paths/graph.ts'
import { newLinkView, readLink } from '../../policy/paths/link-view.ts'
import { link, node, proves, T0, TENANT } from './makers.ts'

const { focus, director, record, bulk } = CLASS_PROFILES

test('the buffer is a multiple of the RTT in the bounds of the class', (t) => {
  const cases: [typeof focus, number, number, number][] = [
    // class, RTT, loss, buffer
    [focus, 5, 0, 50],
    [focus, 20, 0, 80],
    [focus, 20, 0.1, 80],
    [focus, 20, 0.15, 110],
    [focus, 20, 0.2, 120],
    [focus, 100, 0, 120],
    [director, 30, 0, 120],
    [director, 30, 0.2, 180],
    [director, 30, 0.6, 180],
    [director, 200, 0, 300],
    [record, 30, 0, 300],
    [record, 100, 0, 600],
    [record, 100, 0.2, 600],
    [bulk, 10, 0, 1000],
    [bulk, 900, 0.5, 1000],
  ]
  for (const [profile, rttMs, loss, expected] of cases) {
    const { buffer, delayMs } = chooseBuffer('rist', profile, rttMs, loss)
    t.is(delayMs, expected, `${rttMs} ms, loss ${loss}`)
    t.is(buffer?.start_ms, expected)
    t.true(buffer !== null && buffer.min_ms <= buffer.start_ms && buffer.start_ms <= buffer.max_ms)
  }
  t.is(chooseBuffer('srt', focus, 20, 0).delayMs, 80)
  t.like(chooseBuffer('webrtc', focus, 200, 0.2), { buffer: null, delayMs: 0 })
  t.regex(
    chooseBuffer('rist', focus, 100, 0).reason ?? '',
    /400 ms, held in 50 to 120 ms; some losses will not/,
  )
})

const budget = (more: Partial<BudgetFacts> = {}): BudgetFacts => ({
  profile: focus,
  measured: {},
  upstream: null,
  bufferMs: 80,
  oneWay: { ms: 10, source: 'measured' },
  passes: 0,
  entering: true,
  ...more,
})

test('the latency budget adds up and says from what', (t) => {
  const latency = estimateLatency(budget())
  t.is(latency.estimate_ms, 10 + 80 + 10 + 4 + 1)
  t.is(
    describeLatency(latency),
    'encode 10 (default) + buffer 80 (computed) + one-way 10 (measured) + forwarding 4 (default) + playout 1 (default) = 105 ms of 200 ms',
  )
  t.true(fitsBudget(latency))
  const slow = estimateLatency(budget({ measured: { encode: 465 } }))
  t.false(fitsBudget(slow))
  t.regex(describeLatency(slow), /^encode 465 \(measured\) .* = 560 ms of 200 ms$/)
  const unbounded = estimateLatency(budget({ profile: bulk, measured: { encode: 5000 } }))
  t.true(fitsBudget(unbounded))
  t.regex(describeLatency(unbounded), /and no budget$/)
})

test("a viewer's budget goes on from its stream's", (t) => {
  const upstream = estimateLatency(budget({ measured: { encode: 25, buffer: 90 } }))
  const viewed = estimateLatency(
    budget({ upstream, entering: false, bufferMs: 0, passes: 1, oneWay: { ms: 15, source: 'default' } }),
  )
  t.deepEqual(
    viewed.stages.map(({ stage, ms, source }) => [stage, ms, source]),
    [
      ['encode', 25, 'measured'],
      ['buffer', 90, 'measured'],
      ['one_way', 25, 'default'],
      ['forwarding', 6, 'default'],
      ['playout', 1, 'default'],
    ],
  )
})

test('bitrates are the class, cut by capacity and wishes', (t) => {
  const rate = (capacityKbps: number | null, wantedKbps: number | null = null, cautious = false) =>
    chooseAbr(focus, { capacityKbps, wantedKbps, cautious })
  const abr = (min_kbps: number, start_kbps: number, max_kbps: number) => ({ min_kbps, start_kbps, max_kbps })
  t.like(rate(null), { fits: true, abr: abr(600, 3000, 8000) })
  t.like(rate(5000), { fits: true, abr: abr(600, 3000, 5000) })
  t.like(rate(1000), { fits: true, abr: abr(600, 1000, 1000) })
  t.like(rate(600), { fits: true, abr: abr(600, 600, 600) })
  t.false(rate(599).fits)
  t.like(rate(null, 2000), { fits: true, abr: abr(600, 2000, 2000) })
  t.like(rate(null, 300), { fits: true, abr: abr(300, 300, 300) })
  t.like(rate(null, null, true), { fits: true, abr: abr(600, 600, 8000) })
  t.like(chooseAbr(bulk, { capacityKbps: 60, wantedKbps: null, cautious: false }), { abr: abr(50, 60, 60) })
  t.regex(rate(500).reason, /carries 500 kb\/s, the floor is 600/)
})

test('pacing follows the bitrate; deterministic links allow no bursts', (t) => {
  const abr = { min_kbps: 600, start_kbps: 3000, max_kbps: 8000 }
  t.deepEqual(choosePacing(focus, abr, null), { target_kbps: 3000, max_kbps: 10_000, burst_ms: 5 })
  t.like(choosePacing(bulk, abr, 'fq'), { burst_ms: 1, by: 'fq' })
})

test('nodes are full by worker, flows or uplink', (t) => {
  const ceilings = { maxFlows: 10, maxKbps: 10_000 }
  const load = { workerCpu: 0.5, flows: 5, kbps: 5000 }
  const full = (more: Partial<typeof load>, kbps = 1000) =>
    saturatedResource(node('hub-1', 'hub', { ceilings, load: { ...load, ...more } }), kbps)
  t.is(full({}), null)
  t.is(full({ workerCpu: 0.85 }), 'worker_cpu')
  t.is(full({ flows: 10 }), 'node_flows')
  t.is(full({ kbps: 9000 }), null)
  t.is(full({ kbps: 9001 }), 'node_uplink')
})

const none = {
  maxStreams: null,
  maxViewers: null,
  maxViewersPerStream: null,
  maxViewersPerAddress: null,
  maxStreamsPerToken: null,
  uplinkKbps: null,
}

test('viewers without a token have a share, and one of their addresses less', (t) => {
  const usage = { streams: 0, streamsOfToken: 0, viewers: 40, viewersOfStream: 40, uplinkKbps: 0 }
  const anonymous = { viewers: 40, viewersOfStream: 40, viewersOfAddress: 20 }
  const full = (ceilings: Partial<typeof none> | object, who: typeof anonymous | null = anonymous) =>
    saturatedQuota({ ...none, ...ceilings }, usage, 'subscribe', 600, who ?? undefined)
  t.is(full({ maxViewers: 46 }), null)
  t.like(full({ maxViewers: 44 }), {
    resource: 'tenant_viewers',
    words: '40 + 1 of 40 viewers without a token',
  })
  t.is(full({ maxViewers: 44 }, null), null)
  t.like(full({ maxViewersPerStream: 44 }), { resource: 'stream_viewers' })
  t.like(full({ maxViewersPerAddress: 20 }), { resource: 'address_viewers' })
  t.is(full({ maxViewersPerAddress: 20 }, null), null)
  t.is(
    full({ maxViewers: 1 }, { viewers: 0, viewersOfStream: 0, viewersOfAddress: 0 })?.words,
    '40 + 1 of 1 viewers',
  )
})

test('tenants are full by streams, viewers or uplink', (t) => {
  const usage = { streams: 3, streamsOfToken: 2, viewers: 50, viewersOfStream: 20, uplinkKbps: 9000 }
  const full = (ceilings: Partial<typeof none> | object, action: 'publish' | 'subscribe') =>
    saturatedQuota({ ...none, ...ceilings }, usage, action, 600)
  t.is(full({}, 'publish'), null)
  t.is(full({ maxStreams: 4 }, 'publish'), null)
  t.like(full({ maxStreams: 3 }, 'publish'), { resource: 'tenant_streams', words: '3 + 1 of 3 streams' })
  t.like(full({ maxStreams: 3, maxStreamsPerToken: 2 }, 'publish'), {
    resource: 'token_streams',
    words: '2 + 1 of 2 streams of this token',
  })
  t.is(full({ maxStreamsPerToken: 2 }, 'subscribe'), null)
  t.like(full({ uplinkKbps: 9500 }, 'publish'), { resource: 'tenant_uplink' })
  t.is(full({ maxStreams: 3 }, 'subscribe'), null)
  t.like(full({ maxViewers: 50 }, 'subscribe'), { resource: 'tenant_viewers' })
  t.like(full({ maxViewersPerStream: 20 }, 'subscribe'), { resource: 'stream_viewers' })
})

test('what a link can carry', (t) => {
  const capacity = (declared: number | null, more: Parameters<typeof proves>[3], own = 0) => {
    const graph = new TopologyGraph()
    graph.putNode(node('sender-1', 'sender'))
    graph.putNode(node('hub-1', 'hub'))
    const facts = link('eth0', 'sender-1', 'hub-1', { tenantId: TENANT, capacityKbps: declared })
    graph.putLink(facts)
    proves(graph, facts, T0, more)
    const found = graph.link(TENANT, 'sender-1', 'eth0')!
    return linkCapacityKbps(found, readLink(found, T0, newLinkView()), own)
  }
  t.is(capacity(null, { bitrateKbps: 3000 }), null)
  t.is(capacity(10_000, { bitrateKbps: 0 }), 8000)
  t.is(capacity(10_000, { bitrateKbps: 5000 }), 4000)
  t.is(capacity(10_000, { bitrateKbps: 5000 }, 5000), 8000)
  // Congestion: it carries what arrives, whatever was declared.
  t.is(capacity(10_000, { bitrateKbps: 1000, loss: 0.2 }, 1000), 800)
  t.is(capacity(null, { bitrateKbps: 1000, queueDepth: 100 }, 1000), 1000)
  t.is(capacity(10_000, { bitrateKbps: 100, loss: 0.2 }, 100), 8000)
})

test('the mode names the way', (t) => {
  const facts: ModeFacts = {
    deterministic: false,
    sharedSegment: null,
    hopsOutside: 1,
    relayed: null,
    detour: null,
    moving: false,
    links: 1,
    wirelessLinks: 0,
    fledDeadPath: false,
  }
  const cases: [Partial<ModeFacts>, Mode][] = [
    [{}, 'roaming'],
    [{ sharedSegment: 'studio' }, 'lan-direct'],
    [{ sharedSegment: 'studio', hopsOutside: 2 }, 'overlay-relay'],
    [{ sharedSegment: 'studio', relayed: 'direct paths failed' }, 'overlay-relay'],
    [{ relayed: 'forced', moving: true }, 'overlay-relay'],
    [{ deterministic: true, sharedSegment: 'studio', moving: true }, 'deterministic-wired'],
    [{ moving: true, sharedSegment: 'studio' }, 'roaming'],
    [{ links: 3, wirelessLinks: 2 }, 'roaming'],
    [{ links: 3 }, 'roaming'],
    [{ fledDeadPath: true }, 'roaming'],
  ]
  for (const [more, mode] of cases) {
    const choice = chooseMode({ ...facts, ...more })
    t.is(choice.mode, mode, JSON.stringify(more))
    t.true(choice.reason.length > 0)
  }
})
