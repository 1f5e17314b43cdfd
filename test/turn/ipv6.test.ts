import test from 'ava'
import { Endpoint } from '../../common/net/endpoint.ts'
import { ATTRIBUTE, METHOD } from '../../common/stun/stun-types.ts'
import type { StunWriter } from '../../common/stun/stun-writer.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { addressOf, codeOf, SILENCE_MS, TurnClient } from '../support/turn-client.ts'
import { LIMITS, Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const both = [
  { ip: '127.0.0.1', port: 0 },
  { ip: '::1', port: 0 },
]
const { ports } = turnStart().relay
const start = turnStart({
  listen: { udp: both, tcp: both, tls: [] },
  relay: { addresses: both.map(({ ip }) => ({ ip, announced: null })), ports },
  peers: { own: ['127.0.0.1', '::1'], allow: [], deny: [] },
})
const sixth = (writer: StunWriter) => writer.add(ATTRIBUTE.requestedAddressFamily, Buffer.of(2, 0, 0, 0))

for (const protocol of ['udp', 'tcp'] as const)
  for (const [index, { ip }] of both.entries())
    test(`a client at ${ip} over ${protocol} reaches a peer of IPv6`, async (t) => {
      await using server = await TurnServer.open(start)
      await using peer = await Peer.open('::1')
      await using client = await TurnClient[protocol](server.bound[protocol][index]!, turnUser())
      const relayed = await client.allocate(sixth)
      t.is(relayed.ip, '::1')
      t.is(codeOf(await client.permit(peer.endpoint)), 0)
      client.send(peer.endpoint, Buffer.from('to the peer'))
      await until(() => peer.received.length === 1, 'an indication at the peer')
      t.is(peer.received[0]!.from, relayed.toString())
      peer.send(Buffer.from('to the client'), relayed)
      await until(() => client.received.length === 1, 'an indication at the client')
      t.is(client.received[0]!.peer, peer.endpoint.toString())
      t.is(codeOf(await client.bind(0x4000, peer.endpoint)), 0)
      client.sendChannel(0x4000, Buffer.from('by channel'))
      await until(() => peer.received.length === 2, 'a channel at the peer')
      peer.send(Buffer.from('back'), relayed)
      await until(() => client.received.length === 2, 'a channel at the client')
      t.is(client.received[1]!.channel, 0x4000)
      // The families of allocation and peer must be the same.
      t.is(codeOf(await client.permit(Endpoint.of('127.0.0.1', 9))), 443)
      t.is(client.unproved, 0)
    })

test('one port serves both families, each with a socket of its own', async (t) => {
  await using first = await TurnServer.open(
    turnStart({ listen: { udp: both.slice(0, 1), tcp: [], tls: [] } }),
  )
  const { port } = first.bound.udp[0]!
  const wild = [{ ip: '::', port }]
  await using second = await TurnServer.open(turnStart({ listen: { udp: wild, tcp: wild, tls: [] } }))
  for (const { bound } of [first, second]) t.is(bound.udp[0]!.port, port)
  await using client = await TurnClient.udp({ ip: '::1', port }, turnUser())
  await t.notThrowsAsync(client.allocate())
  t.is(second.report().allocations, 1)
})

test('the clients of one /64 count as one address', async (t) => {
  await using server = await TurnServer.open({ ...start, limits: { ...LIMITS, allocations_per_address: 1 } })
  await using one = await TurnClient.udp(server.bound.udp[1]!, turnUser())
  await using two = await TurnClient.udp(server.bound.udp[1]!, turnUser({ contract: 'c2' }))
  await one.allocate()
  await t.throwsAsync(two.allocate(), { message: 'allocate: 486' })
})

test('a bare Binding over IPv6 would be answered with more than twice its bytes, and is not over UDP', async (t) => {
  await using server = await TurnServer.open(start)
  await using udp = await TurnClient.udp(server.bound.udp[1]!)
  t.is(await udp.request(METHOD.binding, () => {}, SILENCE_MS), null)
  const padded = await udp.request(METHOD.binding, (writer) =>
    writer.add(ATTRIBUTE.software, Buffer.alloc(4)),
  )
  t.is(addressOf(padded!, ATTRIBUTE.xorMappedAddress)?.ip, '::1')
  await using tcp = await TurnClient.tcp(server.bound.tcp[1]!)
  t.is(addressOf((await tcp.request(METHOD.binding))!, ATTRIBUTE.xorMappedAddress)?.ip, '::1')
})
