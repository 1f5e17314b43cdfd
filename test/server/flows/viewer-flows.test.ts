import test from 'ava'
import { NO_RELAY_CHOICE } from '../../../common/wire/decision.ts'
import { effectivePolicy } from '../../../policy/effective.ts'
import { boundByPolicy } from '../../../server/flows/viewer-bounds.ts'
import { ViewerFlows, type ViewerGrant } from '../../../server/flows/viewer-flows.ts'
import type { PlaceCeilings, PlaceHolder } from '../../../server/flows/viewer-places.ts'
import type { Stream } from '../../../sfu/stream.ts'
import type { ContractListener } from '../../../signaling/viewer-admission.ts'
import { until } from '../../support/until.ts'

const ABR = { min_kbps: 600, start_kbps: 3000, max_kbps: 8000 }
/** Only handed through. */
const STREAM = Object.freeze({}) as unknown as Stream

const UNBOUND: PlaceCeilings = {
  viewers: null,
  viewersOfStream: null,
  anonymous: { viewers: null, viewersOfStream: null, viewersOfAddress: null },
}

function rig() {
  const clock = { now: 1_000_000, ahead: 0 }
  const published = new Set(['t1/cam-1', 't1/cam-2', 't2/cam-1'])
  const limits = new Map<string, number>()
  const viewers = new ViewerFlows(
    {
      get: (tenantId, streamId) => (published.has(`${tenantId}/${streamId}`) ? STREAM : undefined),
      limitOf: ({ holder }) => (holder.anonymous ? null : (limits.get(holder.name) ?? null)),
    },
    { wall: () => clock.now + clock.ahead, steady: () => clock.now },
  )
  const grant = (
    contractId: string,
    more: Partial<ViewerGrant> = {},
    ceilings: PlaceCeilings = UNBOUND,
  ): string =>
    viewers.grant(
      {
        contractId,
        tenantId: 't1',
        streamId: 'cam-1',
        subject: 'alice',
        streamClass: 'focus',
        holder: { anonymous: false, name: 'alice' },
        expiresAt: clock.now + 600_000,
        abr: ABR,
        proof: null,
        wantedKbps: null,
        relay: NO_RELAY_CHOICE,
        ...more,
      },
      ceilings,
    )
  return {
    clock,
    published,
    limits,
    viewers,
    grant,
    [Symbol.dispose]: () => viewers[Symbol.dispose](),
  }
}

/** A connection that only notes what it is told. */
function connection() {
  const told: unknown[] = []
  const listener: ContractListener = {
    abrChanged: (abr, reasons) => told.push({ abr, reasons }),
    priorityChanged: (priority) => told.push({ priority }),
    statistics: async () => null,
    path: () => null,
    contractEnded: (reason) => told.push(reason),
  }
  return { told, listener }
}

test('a ticket lets one connection in, and the next one when that is gone', (t) => {
  using it = rig()
  const ticket = it.grant('c1')
  const place = it.viewers.admit(ticket, connection().listener)
  t.is(place.stream, STREAM)
  t.deepEqual(place.abr, ABR)
  const inUse = t.throws(() => it.viewers.admit(ticket, connection().listener))
  t.like(inUse, { code: 'ticket_in_use', status: 409 })
  place[Symbol.dispose]()
  const second = it.viewers.admit(ticket, connection().listener)
  // The first connection's end comes twice: the place is the second one's.
  place[Symbol.dispose]()
  t.throws(() => it.viewers.admit(ticket, connection().listener), { message: /another connection/ })
  second[Symbol.dispose]()
})

test('tickets are secrets of their own, and those that nobody was given are unknown', (t) => {
  using it = rig()
  const [one, other] = [it.grant('c1'), it.grant('c2')]
  t.not(one, other)
  t.true(one.length >= 32)
  for (const forged of [
    '',
    'c1',
    'x'.repeat(32),
    `${one}x`,
    one.slice(0, -1),
    one.toUpperCase(),
    '__proto__',
  ])
    t.like(
      t.throws(() => it.viewers.admit(forged, connection().listener)),
      { code: 'unknown_ticket', status: 401 },
    )
})

test('a ticket whose stream is gone says so', (t) => {
  using it = rig()
  const ticket = it.grant('c1')
  it.published.delete('t1/cam-1')
  t.like(
    t.throws(() => it.viewers.admit(ticket, connection().listener)),
    { code: 'stream_not_found', status: 404 },
  )
  it.published.add('t1/cam-1')
  t.notThrows(() => it.viewers.admit(ticket, connection().listener))
})

test('an expired contract ends its connection and its ticket', async (t) => {
  using it = rig()
  const ticket = it.grant('c1', { expiresAt: it.clock.now + 5000 })
  const { told, listener } = connection()
  const place = it.viewers.admit(ticket, listener)
  it.clock.now += 5000
  await until(() => told.length > 0, 'the end', 2000)
  t.deepEqual(told, ['expired'])
  t.is(it.viewers.size, 0)
  place[Symbol.dispose]()
  t.like(
    t.throws(() => it.viewers.admit(ticket, listener)),
    { code: 'unknown_ticket' },
  )
})

test('a contract that nobody uses gives its place back after 30 s; one in use keeps it', async (t) => {
  using it = rig()
  it.grant('unused')
  const used = connection()
  it.viewers.admit(it.grant('used'), used.listener)
  const left = connection()
  const place = it.viewers.admit(it.grant('left'), left.listener)
  it.clock.now += 29_000
  place[Symbol.dispose]()
  it.clock.now += 1100
  await until(() => !it.viewers.get('unused'), 'the unused one is dropped', 2000)
  // Its viewer may come back: the 30 s begin when it left.
  t.truthy(it.viewers.get('left'))
  t.truthy(it.viewers.get('used'))
  it.clock.now += 29_000
  await until(() => !it.viewers.get('left'), 'the one that was left is dropped', 2000)
  t.truthy(it.viewers.get('used'))
  t.deepEqual([used.told, left.told], [[], []])
})

test('a revoked contract ends at once; a missing contract is no error', (t) => {
  using it = rig()
  const { told, listener } = connection()
  const ticket = it.grant('c1')
  it.viewers.admit(ticket, listener)
  t.true(it.viewers.end('c1', 'revoked'))
  t.deepEqual(told, ['revoked'])
  t.false(it.viewers.end('c1', 'revoked'))
  t.deepEqual(told, ['revoked'])
  t.like(
    t.throws(() => it.viewers.admit(ticket, listener)),
    { code: 'unknown_ticket' },
  )
})

test('the end of a stream ends its viewers and no others', (t) => {
  using it = rig()
  const connections = (
    [
      ['c1', 't1', 'cam-1'],
      ['c2', 't1', 'cam-1'],
      ['c3', 't1', 'cam-2'],
      ['c4', 't2', 'cam-1'],
    ] as const
  ).map(([contractId, tenantId, streamId]) => {
    const { told, listener } = connection()
    it.viewers.admit(it.grant(contractId, { tenantId, streamId }), listener)
    return told
  })
  it.viewers.endAll('t1', 'cam-1', 'expired')
  t.deepEqual(connections, [['expired'], ['expired'], [], []])
  t.deepEqual(
    it.viewers.list().map(({ contractId }) => contractId),
    ['c3', 'c4'],
  )
})

test('places are counted by tenant and by stream', (t) => {
  using it = rig()
  it.grant('c1')
  it.viewers.admit(it.grant('c2'), connection().listener)
  it.grant('c3', { streamId: 'cam-2' })
  it.grant('c4', { tenantId: 't2' })
  const counts = () => [
    it.viewers.countOf('t1'),
    it.viewers.countOf('t1', 'cam-1'),
    it.viewers.countOf('t1', 'cam-2'),
    it.viewers.countOf('t2'),
    it.viewers.countOf('t3'),
  ]
  t.deepEqual(counts(), [3, 2, 1, 1, 0])
  it.viewers.end('c2', 'revoked')
  it.viewers.end('c4', 'revoked')
  t.deepEqual(counts(), [2, 1, 1, 0, 0])
  it.viewers.endAll('t1', 'cam-1', 'revoked')
  it.viewers.endAll('t1', 'cam-2', 'revoked')
  t.deepEqual(counts(), [0, 0, 0, 0, 0])
})

test('new bounds reach the present connection and the next one', (t) => {
  using it = rig()
  const lower = { min_kbps: 400, start_kbps: 1000, max_kbps: 2000 }
  const ticket = it.grant('c1')
  const { told, listener } = connection()
  const place = it.viewers.admit(ticket, listener)
  it.viewers.bound('c1', lower, ['the path is full'])
  t.deepEqual(told, [{ abr: lower, reasons: ['the path is full'] }])
  place[Symbol.dispose]()
  t.deepEqual(it.viewers.admit(ticket, listener).abr, lower)
  t.notThrows(() => it.viewers.bound('gone', lower, []))
})

test('a policy that changes moves the bounds of its viewers', (t) => {
  using it = rig()
  const { told, listener } = connection()
  const modest = connection()
  const other = connection()
  it.viewers.admit(it.grant('c1'), listener)
  it.viewers.admit(it.grant('c2', { wantedKbps: 1500 }), modest.listener)
  it.viewers.admit(it.grant('c3', { tenantId: 't2' }), other.listener)
  const policy = effectivePolicy('t1', { classes: { focus: { video_kbps: { ceiling: 4000 } } } }, 2)
  for (const _twice of [1, 2]) boundByPolicy(it.viewers, policy)
  t.is(told.length, 1)
  t.like(told[0], { abr: { max_kbps: 4000 } })
  t.like(modest.told[0], { abr: { max_kbps: 1500 } })
  t.deepEqual(other.told, [])
})

test('a ceiling set by hand holds over new grants and renewals on the connection, and goes with null', (t) => {
  using it = rig()
  const { told, listener } = connection()
  const first = it.viewers.admit(it.grant('c1'), listener)
  it.viewers.limit('c1', 2000)
  const held = { min_kbps: 600, start_kbps: 2000, max_kbps: 2000 }
  t.like(told, [{ abr: held }])
  t.like(it.viewers.get('c1'), { abr: held, limitKbps: 2000 })
  it.viewers.bound('c1', { ...ABR, max_kbps: 1000 }, ['less'])
  t.like(told[1], { abr: { start_kbps: 2000, max_kbps: 1000 } })
  const renewed = it.viewers.admit(it.grant('c2'), listener)
  first[Symbol.dispose]()
  t.deepEqual(renewed.abr, held)
  t.deepEqual(
    it.viewers.admit(it.grant('c3', named('bob')), connection().listener).abr,
    ABR,
    "another's is not held",
  )
  it.viewers.limit('c2', 300)
  t.deepEqual(it.viewers.get('c2')?.abr, { min_kbps: 300, start_kbps: 300, max_kbps: 300 })
  it.viewers.limit('c2', null)
  t.deepEqual(it.viewers.get('c2')?.abr, ABR)
  t.deepEqual(it.viewers.admit(it.grant('c4'), listener).abr, ABR)
})

test("a stream's priority reaches present and future viewers", (t) => {
  using it = rig()
  const [mine, other] = [connection(), connection()]
  it.viewers.admit(it.grant('c1'), mine.listener)
  it.viewers.admit(it.grant('c2', { tenantId: 't2' }), other.listener)
  it.viewers.prioritize('t1', 'cam-1', 200)
  t.deepEqual([mine.told, other.told], [[{ priority: 200 }], []])
  t.is(it.viewers.admit(it.grant('c3'), connection().listener).priority, 200)
  t.is(it.viewers.admit(it.grant('c4', { streamId: 'cam-2' }), connection().listener).priority, 100)
  it.viewers.endAll('t1', 'cam-1', 'revoked')
  t.is(
    it.viewers.admit(it.grant('c5'), connection().listener).priority,
    100,
    'the next stream of that name begins anew',
  )
})

test('a ceiling set by hand is for all that a subject watches of the stream, now and later', (t) => {
  using it = rig()
  const [one, other, bob] = [connection(), connection(), connection()]
  it.viewers.admit(it.grant('c1'), one.listener)
  it.viewers.admit(it.grant('c2'), other.listener)
  it.viewers.admit(it.grant('c3', named('bob')), bob.listener)
  it.limits.set('alice', 2000)
  it.viewers.limit('c1', 2000)
  t.like(one.told, [{ abr: { max_kbps: 2000 } }])
  t.like(other.told, [{ abr: { max_kbps: 2000 } }])
  t.deepEqual(bob.told, [])
  t.like(it.viewers.admit(it.grant('c4'), connection().listener).abr, { max_kbps: 2000 })
  const guest = connection()
  it.viewers.admit(it.grant('c5', NOBODY_AT('192.0.2.1')), guest.listener)
  it.viewers.limit('c5', 900)
  t.like(guest.told, [{ abr: { max_kbps: 900 } }])
  t.like(it.viewers.admit(it.grant('c6', NOBODY_AT('192.0.2.1')), guest.listener).abr, { max_kbps: 900 })
  t.deepEqual(it.viewers.admit(it.grant('c7', NOBODY_AT('192.0.2.1')), connection().listener).abr, ABR)
})

const NOBODY_AT = (name: string): { holder: PlaceHolder } => ({ holder: { anonymous: true, name } })
const named = (name: string): { holder: PlaceHolder } => ({ holder: { anonymous: false, name } })

/** Ten places of the tenant, nine of them for those without a token, five of those for one address. */
const TEN: PlaceCeilings = {
  viewers: 10,
  viewersOfStream: null,
  anonymous: { viewers: 9, viewersOfStream: null, viewersOfAddress: 5 },
}

test('places that nobody used give way, the oldest first, those without a token before those with one', (t) => {
  using it = rig()
  const ids = () => it.viewers.list().map(({ contractId }) => contractId)
  const seeker = (holder: PlaceHolder) => ({ tenantId: 't1', streamId: 'cam-1', holder })
  it.grant('b0', named('bob'), TEN)
  for (let n = 0; n < 9; n++) it.grant(`a${n}`, NOBODY_AT(`192.0.2.${n % 3}`), TEN)
  t.is(it.viewers.countOf('t1'), 10)
  // All but none of them would stay: a seeker with a token displaces everybody's, one without a token displaces none
  // with a token.
  t.deepEqual(it.viewers.taken(seeker(named('carol').holder)), {
    viewers: 0,
    viewersOfStream: 0,
    anonymous: null,
  })
  t.deepEqual(it.viewers.taken(seeker(NOBODY_AT('192.0.2.9').holder)), {
    viewers: 1,
    viewersOfStream: 1,
    anonymous: { viewers: 0, viewersOfStream: 0, viewersOfAddress: 0 },
  })
  it.grant('c0', named('carol'), TEN)
  t.deepEqual(ids(), ['b0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'c0'])
  // With none without a token left, the oldest of the holder that has most goes.
  for (let n = 1; n < 10; n++) it.grant(`c${n}`, named('carol'), TEN)
  t.is(it.viewers.countOf('t1'), 10)
  t.deepEqual(ids(), ['b0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9'])
})

test('a flooder displaces only its own places: others keep the places that they have just got', (t) => {
  using it = rig()
  for (let n = 0; n < 100; n++) it.grant(`flood-${n}`, NOBODY_AT('192.0.2.1'), TEN)
  t.is(it.viewers.countOf('t1'), 5, 'as many as one address may have')
  for (let n = 0; n < 4; n++) it.grant(`guest-${n}`, NOBODY_AT(`198.51.100.${n}`), TEN)
  for (let n = 0; n < 100; n++) it.grant(`more-${n}`, NOBODY_AT(`192.0.2.${n % 2}`), TEN)
  const guests = it.viewers.list().filter(({ contractId }) => contractId.startsWith('guest'))
  t.is(guests.length, 4)
  t.is(it.viewers.countOf('t1'), 9)
  it.grant('operator', named('olga'), TEN)
  t.truthy(it.viewers.get('operator'))
})

test('places in use stay, and those of a viewer that vanished give way', (t) => {
  using it = rig()
  const places = Array.from({ length: 5 }, (_, n) => {
    const { listener } = connection()
    const place = it.viewers.admit(it.grant(`a${n}`, NOBODY_AT('192.0.2.1'), TEN), listener)
    place.connected()
    return place
  })
  const of = (name: string) =>
    it.viewers.taken({ tenantId: 't1', streamId: 'cam-1', ...NOBODY_AT(name) }).anonymous
  t.like(of('192.0.2.1'), { viewersOfAddress: 5 })
  t.like(of('192.0.2.2'), { viewersOfAddress: 0, viewers: 5 })
  places[2]![Symbol.dispose]()
  t.like(of('192.0.2.1'), { viewersOfAddress: 4 })
  it.grant('next', NOBODY_AT('192.0.2.1'), TEN)
  t.is(it.viewers.get('a2'), undefined)
  t.is(it.viewers.countOf('t1'), 5)
})

test('an admitted viewer that is not there yet gives way, and is told', (t) => {
  using it = rig()
  const coming = connection()
  it.viewers.admit(it.grant('coming', NOBODY_AT('192.0.2.1'), TEN), coming.listener)
  for (let n = 0; n < 5; n++) it.grant(`a${n}`, NOBODY_AT('192.0.2.1'), TEN)
  t.deepEqual(coming.told, ['revoked'])
  t.is(it.viewers.get('coming'), undefined)
})

test('a viewer that says goodbye gives its place back at once; a viewer that vanished keeps it a while', (t) => {
  using it = rig()
  const [leaving, vanishing] = [connection(), connection()]
  const left = it.viewers.admit(it.grant('left'), leaving.listener)
  const vanished = it.viewers.admit(it.grant('vanished'), vanishing.listener)
  left.leave()
  vanished[Symbol.dispose]()
  left.leave()
  left[Symbol.dispose]()
  t.deepEqual(
    it.viewers.list().map(({ contractId }) => contractId),
    ['vanished'],
  )
  t.is(it.viewers.countOf('t1'), 1)
  t.deepEqual(leaving.told, [])
})

test('a step of the clock moves when contracts end by it, not how long they last', async (t) => {
  for (const stepMs of [1_200_000, -1_200_000]) {
    using it = rig()
    const { told, listener } = connection()
    it.viewers.admit(it.grant('c1', { expiresAt: it.clock.now + 60_000 }), listener)
    it.clock.ahead = stepMs
    it.viewers.clockStepped()
    t.is(it.viewers.get('c1')?.expiresAt, it.clock.now + stepMs + 60_000)
    it.clock.now += 59_000
    it.grant('later', { expiresAt: it.clock.now + stepMs + 60_000 })
    t.truthy(it.viewers.get('c1'))
    it.clock.now += 1100
    await until(() => told.length > 0, 'the end', 3000)
    t.deepEqual(told, ['expired'])
    t.truthy(it.viewers.get('later'))
  }
})

test('a viewer gets the next contract even where all is full, once, and not before it is due', (t) => {
  using it = rig()
  const two: PlaceCeilings = { ...UNBOUND, viewers: 2 }
  const seeker = { tenantId: 't1', streamId: 'cam-1', ...named('alice') }
  const [one, other] = ['c1', 'c2'].map((id) => {
    const { listener } = connection()
    const place = it.viewers.admit(it.grant(id, id === 'c1' ? named('alice') : named('bob'), two), listener)
    place.connected()
    return { place, listener }
  })
  t.false(it.viewers.isRenewal(seeker), 'not before it is due')
  it.clock.now += 300_000
  t.true(it.viewers.isRenewal(seeker))
  t.false(it.viewers.isRenewal({ ...seeker, ...named('carol') }))
  t.false(it.viewers.isRenewal({ ...seeker, streamId: 'cam-2' }))
  const next = it.grant('c3', named('alice'), two)
  t.is(it.viewers.countOf('t1'), 3)
  t.false(it.viewers.isRenewal(seeker), 'once')
  it.viewers.admit(next, one!.listener).connected()
  one!.place.leave()
  t.is(it.viewers.countOf('t1'), 2)
  t.truthy(other)
  it.clock.now += 300_000
  t.true(it.viewers.isRenewal(seeker), 'the next one, when that is due')
})
