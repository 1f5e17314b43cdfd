import test from 'ava'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient } from '../support/turn-client.ts'
import { Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const ALLOWED = [
  { of: 'nothing else is allowed', allow: [], ip: '127.0.0.1' },
  { of: 'its network is allowed, too', allow: ['0.0.0.0/0'], ip: '127.0.0.1' },
] as const

for (const { of, allow, ip } of ALLOWED)
  for (const protocol of ['udp', 'tcp'] as const)
    test(`of the hub's own address only media ports are reached over ${protocol}: ${of}`, async (t) => {
      await using media = await Peer.open(ip)
      await using service = await Peer.open(ip)
      const { port } = media.endpoint
      const peers = { own: [ip], own_ports: [[port, port] as [number, number]], allow: [...allow], deny: [] }
      await using server = await TurnServer.open(turnStart({ peers }))
      await using client = await TurnClient[protocol](server.bound[protocol][0]!, turnUser())
      await client.allocate()

      t.is(codeOf(await client.bind(0x4001, service.endpoint)), 403)
      // The permission is for the address alone, RFC 8656, section 9.
      t.is(codeOf(await client.permit(service.endpoint)), 0)
      client.send(service.endpoint, Buffer.from('a query of another service'))
      client.sendChannel(0x4001, Buffer.from('a channel that was refused'))
      client.send(media.endpoint, Buffer.from('by an indication'))
      await until(() => media.received.length === 1, 'the indication at the media port')
      t.is(codeOf(await client.bind(0x4002, media.endpoint)), 0)
      client.sendChannel(0x4002, Buffer.from('by a channel'))
      await until(() => media.received.length === 2, 'the channel at the media port')
      // What was sent before has arrived by now, or never does.
      t.deepEqual(service.received, [])
      t.true(server.report().packets_dropped >= 2)
      t.is(server.report().refused['peer'], 1)
    })

test("of the hub's own address no port of TURN itself is reached", async (t) => {
  const start = turnStart()
  const peers = { own: ['127.0.0.1'], own_ports: [[1, 1] as [number, number]], allow: [], deny: [] }
  await using server = await TurnServer.open({ ...start, peers })
  const at = server.bound.udp[0]!
  await using one = await TurnClient.udp(at, turnUser())
  await using other = await TurnClient.udp(at, turnUser())
  const relayed = await other.allocate()
  await one.allocate()
  t.is(codeOf(await one.bind(0x4001, relayed)), 403)
})
