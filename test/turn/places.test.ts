import test from 'ava'
import { Endpoint } from '../../common/net/endpoint.ts'
import { ATTRIBUTE, METHOD } from '../../common/stun/stun-types.ts'
import { ConnectionPlaces } from '../../turn/connection-places.ts'
import { IDLE_MS } from '../../turn/stream-client.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient, udpTransport } from '../support/turn-client.ts'
import { LIMITS, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const OWNERS = [
  { what: 'two addresses of IPv4', one: '192.0.2.1', other: '192.0.2.2', same: false },
  { what: 'an address of IPv4 and its mapped form', one: '192.0.2.1', other: '::ffff:192.0.2.1', same: true },
  { what: 'two addresses of a /64', one: '2001:db8:1:2::1', other: '2001:db8:1:2:ffff:ffff::9', same: true },
  { what: 'two networks of a /48', one: '2001:db8:1:2::1', other: '2001:db8:1:3::1', same: false },
]

function placesOf(ofAddress: number, total: number) {
  const places = new ConnectionPlaces(ofAddress, total)
  return { take: (ip: string) => places.take(Endpoint.of(ip, 50_000)) }
}

for (const { what, one, other, same } of OWNERS)
  test(`${what} ${same ? 'share' : 'do not share'} the places of connections`, (t) => {
    const places = placesOf(2, 10)
    const first = places.take(one)
    t.truthy(first)
    t.truthy(places.take(one))
    t.is(places.take(one), null)
    t.is(places.take(other) === null, same)
    first!()
    t.truthy(places.take(one), 'a place that was given back')
  })

test('all connections together have their places, whatever their addresses', (t) => {
  const places = placesOf(2, 3)
  const leave = ['192.0.2.1', '192.0.2.2', '2001:db8::1'].map((ip) => places.take(ip))
  t.true(leave.every((each) => each !== null))
  t.is(places.take('192.0.2.3'), null)
  leave[0]!()
  t.truthy(places.take('192.0.2.3'))
})

test('a contract has its quota whichever of its credentials ask', async (t) => {
  const limits = { ...LIMITS, allocations_per_user: 2 }
  await using server = await TurnServer.open(turnStart({ limits }))
  await using stack = new AsyncDisposableStack()
  const codes: number[] = []
  // A client gets another user name with each ICE restart: it begins with the end of the credential.
  for (const lifeS of [300, 299, 298, 297]) {
    const client = stack.use(await TurnClient.udp(server.bound.udp[0]!, turnUser({ lifeS })))
    codes.push(await codeOfAllocate(client))
  }
  t.deepEqual(codes, [0, 0, 486, 486])
  // The same name of a contract in another tenant is another contract.
  const other = stack.use(await TurnClient.udp(server.bound.udp[0]!, turnUser({ tenant: 'other' })))
  t.is(await codeOfAllocate(other), 0)
  t.is(server.report().quota_refused.user, 2)
})

test('a contract has its kept ports whichever of its credentials ask', async (t) => {
  await using server = await TurnServer.open(turnStart())
  await using stack = new AsyncDisposableStack()
  const codes: number[] = []
  for (const lifeS of [300, 299, 298, 297]) {
    const client = stack.use(await TurnClient.udp(server.bound.udp[0]!, turnUser({ lifeS })))
    await client.challenge()
    const answer = await client.request(METHOD.allocate, (writer) => {
      udpTransport(writer)
      writer.add(ATTRIBUTE.evenPort, Buffer.of(0x80))
    })
    codes.push(codeOf(answer))
  }
  t.deepEqual(codes, [0, 0, 508, 508])
})

test('who says much and allocates nothing over TCP gets no lasting place', async (t) => {
  const time = { nowMs: 1000 }
  const clock = { nowMs: () => time.nowMs, wallMs: () => Date.now() }
  await using server = await TurnServer.open(turnStart(), clock)
  await using talker = await TurnClient.tcp(server.bound.tcp[0]!, turnUser())
  await using user = await TurnClient.tcp(server.bound.tcp[0]!, turnUser())
  await user.allocate()
  for (let spoken = 0; spoken < 4; spoken += 1) {
    time.nowMs += IDLE_MS / 3
    if (!talker.closed) await talker.request(METHOD.binding)
  }
  await until(() => talker.closed, 'the end of the talker')
  t.false(user.closed)
  t.is(codeOf(await user.refresh(600)), 0)
})

async function codeOfAllocate(client: TurnClient): Promise<number> {
  return await client.allocate().then(
    () => 0,
    () => 486,
  )
}
