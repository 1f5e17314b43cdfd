import test from 'ava'
import { NO_RELAYS } from '../../../common/wire/flow-contract.ts'
import type { FlowEvent } from '../../../common/wire/flows-api.ts'
import { DetourPlaces } from '../../../server/flows/detour-places.ts'
import { FlowWays } from '../../../server/flows/flow-ways.ts'
import { contractOf, type LivePublisherFlow } from '../../../server/flows/publisher-flow.ts'
import type { DetourHolder } from '../../../signaling/detour/detour-admission.ts'
import { flowOf } from './flow-of.ts'

const WSS = { via: 'wss', url: '/detour', queue_ms: 300 } as const
const ENDPOINTS = [9500, 9501].map((port) => ({ node_id: 'hub', address: '203.0.113.1', port }))
const REASON = 'detour over TCP refused: 300 ms of 200 ms'

function rig(flow: LivePublisherFlow) {
  const listeners = new Set<(event: FlowEvent) => void>()
  const said: string[] = []
  const holder = (name: string): DetourHolder => ({
    refused: ({ code, message }) => said.push(`${name} ${code} ${message}`),
    contractEnded: (reason) => said.push(`${name} ${reason}`),
    takenOver: () => said.push(`${name} taken over`),
  })
  const places = new DetourPlaces({
    ristIp: '0.0.0.0',
    flows: {
      ofTicket: (ticket) => (ticket === flow.ticket ? flow : undefined),
      listen: (_contractId, listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
  })
  return {
    places,
    holder,
    said,
    listeners,
    tell: (event: FlowEvent) => [...listeners].map((one) => one(event)),
  }
}

test('a contract that offers the detour has its own ports there, and no others', (t) => {
  const flow = flowOf('c1', { detours: [WSS], endpoints: ENDPOINTS })
  const { places, holder, listeners } = rig(flow)
  const place = places.admit(flow.ticket, holder('one'))
  t.deepEqual(place.ports, [9500, 9501])
  t.is(place.address, '0.0.0.0')
  t.is(place.kbps, 20_000)
  t.deepEqual(place.stream, { tenantId: 't1', streamId: 'cam-1' })
  place[Symbol.dispose]()
  t.is(listeners.size, 0)
})

const REFUSED = [
  [
    'a ticket of nobody',
    flowOf('c1', { detours: [WSS] }),
    'another ticket altogether',
    'unknown_ticket',
    /unknown/,
  ],
  [
    'a contract for WebRTC',
    flowOf('c1', { detours: [], transport: 'webrtc' }),
    null,
    'other_transport',
    /webrtc/,
  ],
  [
    'a class without detour',
    flowOf('c1', { reasons: ['x', REASON] }),
    null,
    'detour_refused',
    /300 ms of 200 ms/,
  ],
  [
    'a detour by TURN alone',
    flowOf('c1', { detours: [{ ...WSS, via: 'turn' }] }),
    null,
    'detour_refused',
    /no detour/,
  ],
] as const

for (const [name, flow, ticket, code, words] of REFUSED)
  test(`refused: ${name}`, (t) => {
    const { places, holder, listeners } = rig(flow)
    const error = t.throws(() => places.admit(ticket ?? flow.ticket, holder('one')), { message: words })
    t.is((error as { code?: string }).code, code)
    t.is(listeners.size, 0)
  })

test('a newer connection has the place, and what the older one gives back is not that place', (t) => {
  const flow = flowOf('c1', { detours: [WSS] })
  const { places, holder, said } = rig(flow)
  const before = places.admit(flow.ticket, holder('before'))
  places.admit(flow.ticket, holder('after'))
  before[Symbol.dispose]()
  places.admit(flow.ticket, holder('last'))
  t.deepEqual(said, ['before taken over', 'after taken over'])
})

test('the holder hears the end of its contract, and of its detour', (t) => {
  const flow = flowOf('c1', { detours: [WSS] })
  const { places, holder, said, tell } = rig(flow)
  places.admit(flow.ticket, holder('one'))
  tell({ type: 'contract', contract: contractOf(flow, NO_RELAYS) })
  t.deepEqual(said, [])
  const focus = flowOf('c1', { reasons: [REASON] })
  tell({ type: 'contract', contract: contractOf(focus, NO_RELAYS) })
  tell({ type: 'ended', reason: 'revoked' })
  t.deepEqual(said, [`one detour_refused ${REASON}`, 'one revoked'])
})

test('ways are those of the contract’s own endpoints, and changes are told once', (t) => {
  const flow = flowOf('c1', { endpoints: ENDPOINTS })
  const changes: string[] = []
  const ways = new FlowWays({
    flows: { get: (contractId) => (contractId === 'c1' ? flow : undefined) },
    changed: (_flow, now) => changes.push(now.map(({ port, via }) => `${port} ${via}`).join(', ')),
  })
  ways.report('c2', { ways: [{ endpoint: 0, via: 'wss' }] })
  ways.report('c1', { ways: [{ endpoint: 0, via: 'udp' }] })
  ways.report('c1', { ways: [{ endpoint: 7, via: 'wss' }] })
  t.deepEqual(changes, [])
  t.is(ways.detourOf('c1'), null)
  ways.report('c1', { ways: [{ endpoint: 1, via: 'wss' }] })
  ways.report('c1', {
    ways: [
      { endpoint: 1, via: 'wss' },
      { endpoint: 0, via: 'udp' },
    ],
  })
  t.deepEqual(changes, ['9500 udp, 9501 wss'])
  t.is(ways.detourOf('c1'), 'no UDP gets through on 1 of its links, which send over a WebSocket of the hub')
  ways.report('c1', {
    ways: [
      { endpoint: 0, via: 'turn' },
      { endpoint: 1, via: 'wss' },
    ],
  })
  t.deepEqual(
    [...ways.counts()],
    [
      ['turn', 1],
      ['wss', 1],
    ],
  )
  ways.report('c1', { ways: [] })
  t.deepEqual(changes.at(-1), '9500 udp, 9501 udp')
  ways.report('c1', { ways: [{ endpoint: 0, via: 'wss' }] })
  ways.forget('c1')
  t.deepEqual([...ways.counts()], [])
})
