import test from 'ava'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient } from '../support/turn-client.ts'
import { Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

for (const protocol of ['udp', 'tcp'] as const)
  test(`packets go both ways, by indications and by a channel, over ${protocol}`, async (t) => {
    await using server = await TurnServer.open(turnStart())
    await using peer = await Peer.open()
    await using client = await TurnClient[protocol](server.bound[protocol][0]!, turnUser())
    const relayed = await client.allocate()

    t.is(codeOf(await client.permit(peer.endpoint)), 0)
    client.send(peer.endpoint, Buffer.from('one'))
    await until(() => peer.received.length === 1, 'the first packet at the peer')
    t.is(peer.received[0]?.from, relayed.toString())
    peer.send(Buffer.from('two!!'), relayed)
    await until(() => client.received.length === 1, 'an indication')
    t.deepEqual(client.received[0], {
      peer: peer.endpoint.toString(),
      channel: null,
      data: Buffer.from('two!!'),
    })

    t.is(codeOf(await client.bind(0x4001, peer.endpoint)), 0)
    client.sendChannel(0x4001, Buffer.from('three'))
    await until(() => peer.received.length === 2, 'the second packet at the peer')
    t.is(peer.received[1]?.data.toString(), 'three')
    peer.send(Buffer.alloc(0), relayed)
    peer.send(Buffer.from('f'), relayed)
    await until(() => client.received.length === 3, 'packets by the channel')
    t.deepEqual(client.received.slice(1), [
      { peer: null, channel: 0x4001, data: Buffer.alloc(0) },
      { peer: null, channel: 0x4001, data: Buffer.from('f') },
    ])
    t.is(client.unproved, 0)
    t.is(codeOf(await client.refresh(0)), 0)
    t.is(server.report().allocations, 0)
  })
