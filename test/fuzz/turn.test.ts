import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Endpoint } from '../../common/net/endpoint.ts'
import { ATTRIBUTE, CLASS, METHOD } from '../../common/stun/stun-types.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { channelData, codeOf, TurnClient, udpTransport } from '../support/turn-client.ts'
import { Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'
import { SeededRandom } from './seeded-random.ts'

/** `TURN_FUZZ_PACKETS=1000000` for the long run. */
const PACKETS = Number(process.env['TURN_FUZZ_PACKETS'] ?? 30_000)
const CLIENTS = 8
const BURST = 64

const descriptors = () => readdirSync('/proc/self/fd').length

/** Well-formed packets of every kind, for the fuzzer to spoil. Peers are those that may not be reached, too. */
function packetOf(random: SeededRandom, client: TurnClient, peers: readonly Endpoint[]): Buffer {
  const peer = peers[random.below(peers.length)]!
  const data = Buffer.alloc(random.below(1400), random.below(256))
  switch (random.below(9)) {
    case 0:
      return client.write(METHOD.binding, () => {})
    case 1:
      return client.write(METHOD.allocate, udpTransport)
    case 2:
      return client.write(METHOD.refresh, (w) => w.uint32(ATTRIBUTE.lifetime, random.below(3) * 300 + 1))
    case 3:
      return client.write(METHOD.createPermission, (w) => w.address(ATTRIBUTE.xorPeerAddress, peer))
    case 4:
      return client.write(METHOD.channelBind, (w) =>
        w
          .uint32(ATTRIBUTE.channelNumber, (0x3ff0 + random.below(32)) * 65_536)
          .address(ATTRIBUTE.xorPeerAddress, peer),
      )
    case 5:
      return client.write(METHOD.send | CLASS.indication, (w) =>
        w.address(ATTRIBUTE.xorPeerAddress, peer).add(ATTRIBUTE.data, data),
      )
    case 6:
      return channelData(0x3ff0 + random.below(32), data)
    case 7:
      return client.write(random.below(0x4000), (w) => w.add(random.below(0x1_0000), data.subarray(0, 40)))
    default:
      return random.bytes(random.below(80))
  }
}

/** A quarter goes as it is; of the others, bits are flipped, bytes are lost or doubled. */
function spoiled(random: SeededRandom, packet: Buffer): Buffer {
  const bytes = Buffer.from(packet)
  switch (random.below(4)) {
    case 0:
      return bytes
    case 1:
      for (let flips = random.below(8) + 1; flips > 0 && bytes.length > 0; flips -= 1)
        bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
      return bytes
    case 2:
      return bytes.subarray(0, random.below(bytes.length + 1))
    default: {
      // Lengths are what parsers trip over.
      if (bytes.length >= 24) bytes.writeUInt16BE(random.below(0x1_0000), random.below(2) === 0 ? 2 : 22)
      return bytes
    }
  }
}

for (const protocol of ['udp', 'tcp'] as const)
  test.serial(`spoiled packets over ${protocol}: no crash, no open relay, nothing left`, async (t) => {
    t.timeout(600_000)
    const random = new SeededRandom(`turn over ${protocol}`)
    const before = descriptors()
    await using own = await Peer.open()
    // On another loopback address: not ours, so nobody may reach it.
    await using stranger = await Peer.open('127.0.0.9')
    const peers = [own.endpoint, stranger.endpoint, Endpoint.of('10.0.0.1', 9), Endpoint.of('::1', 9)]
    const rounds = Math.ceil((protocol === 'udp' ? PACKETS : PACKETS / 4) / BURST)
    {
      const start = turnStart()
      await using server = await TurnServer.open(start)
      const to = server.bound[protocol][0]!
      const clients: TurnClient[] = []
      const join = async (): Promise<TurnClient> => {
        const client = await TurnClient[protocol](to, turnUser({ contract: `c${random.below(1e6)}` }))
        await client.challenge(300)
        return client
      }
      while (clients.length < CLIENTS) clients.push(await join())
      let heap = 0
      for (let round = 0; round < rounds; round += 1) {
        const index = random.below(CLIENTS)
        // The server closes a stream that it cannot read any more.
        if (clients[index]!.closed) {
          await clients[index]![Symbol.asyncDispose]()
          clients[index] = await join()
        }
        const client = clients[index]!
        for (let each = 0; each < BURST; each += 1)
          client.raw(spoiled(random, packetOf(random, client, peers)))
        const [first, last] = start.relay.ports
        const port = first + random.below(last - first + 1)
        own.send(random.bytes(random.below(100)), Endpoint.of('127.0.0.1', port))
        client.frames.length = 0
        client.received.length = 0
        own.received.length = 0
        await delay(0)
        if (round === Math.floor(rounds / 2)) heap = memory()
      }
      const { allocated_total, refused, packets_dropped } = server.report()
      t.true(
        allocated_total > 0 && packets_dropped > 0 && Object.keys(refused).length > 3,
        'the fuzzer gets deep',
      )
      t.true(memory() - heap < 16e6, `${memory() - heap} bytes more`)
      // Somebody well-behaved is served as ever.
      await using last = await TurnClient[protocol](to, turnUser({ contract: 'last' }))
      await until(async () => (await last.challenge(1000)) !== null, 'an answer')
      await last.allocate()
      t.is(codeOf(await last.permit(stranger.endpoint)), 403)
      for (const client of clients) await client[Symbol.asyncDispose]()
    }
    t.deepEqual(stranger.received, [])
    await until(() => descriptors() <= before + 2, 'sockets to be closed')
  })

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
