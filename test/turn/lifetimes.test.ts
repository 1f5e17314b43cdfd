import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { CHANNEL_MS, PERMISSION_MS } from '../../turn/allocation.ts'
import { RateBucket } from '../../turn/rate-bucket.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient } from '../support/turn-client.ts'
import { LIMITS, Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const descriptors = () => readdirSync('/proc/self/fd').length

/** A server whose time the test sets. */
async function timed(start = turnStart()) {
  const time = { nowMs: 1000 }
  const server = await TurnServer.open(start, { nowMs: () => time.nowMs, wallMs: () => Date.now() })
  return { time, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

test.serial('permissions last 5 minutes, channels 10, each unless renewed', async (t) => {
  await using rig = await timed()
  const { server, time } = rig
  await using peer = await Peer.open()
  await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
  const relayed = await client.allocate()
  const dropped = () => server.report().packets_dropped
  t.is(codeOf(await client.bind(0x4000, peer.endpoint)), 0)

  time.nowMs += PERMISSION_MS - 1
  peer.send(Buffer.from('in time'), relayed)
  await until(() => client.received.length === 1, 'the packet')
  time.nowMs += 1
  peer.send(Buffer.from('late'), relayed)
  client.sendChannel(0x4000, Buffer.from('late'))
  await until(() => dropped() === 2, 'both packets to be dropped')

  t.is(codeOf(await client.permit(peer.endpoint)), 0)
  peer.send(Buffer.from('by channel'), relayed)
  await until(() => client.received.length === 2, 'the packet')
  t.is(client.received[1]?.channel, 0x4000)
  time.nowMs += CHANNEL_MS - PERMISSION_MS
  t.is(codeOf(await client.refresh(600)), 437, 'the allocation is over as well')
  t.is(server.report().allocations, 0)
})

test.serial('a channel that nobody renewed is free for another peer', async (t) => {
  await using rig = await timed()
  await using client = await TurnClient.udp(rig.server.bound.udp[0]!, turnUser())
  await using peer = await Peer.open()
  await using other = await Peer.open()
  await client.allocate()
  await client.bind(0x4000, peer.endpoint)
  rig.time.nowMs += CHANNEL_MS / 2
  t.is(codeOf(await client.refresh(600)), 0)
  t.is(codeOf(await client.bind(0x4000, other.endpoint)), 400)
  rig.time.nowMs += CHANNEL_MS / 2
  t.is(codeOf(await client.bind(0x4000, other.endpoint)), 0)
})

test.serial(
  'a client that vanishes keeps nothing: allocation, port and socket end after 10 minutes',
  async (t) => {
    await using rig = await timed()
    const before = descriptors()
    {
      await using client = await TurnClient.udp(rig.server.bound.udp[0]!, turnUser())
      await client.allocate()
    }
    t.is(descriptors(), before + 1)
    rig.time.nowMs += 600_000
    await until(() => rig.server.report().allocations === 0, 'the end of the allocation')
    t.is(descriptors(), before)
  },
)

test.serial('nothing is left of many allocations and of a server', async (t) => {
  const before = descriptors()
  {
    await using server = await TurnServer.open(turnStart())
    const open = descriptors()
    for (let round = 0; round < 10; round += 1) {
      const clients = await Promise.all(
        Array.from({ length: 10 }, () => TurnClient.udp(server.bound.udp[0]!, turnUser())),
      )
      await Promise.all(clients.map((client) => client.allocate()))
      t.is(server.report().allocations, 10)
      await Promise.all(clients.map((client) => client.refresh(0)))
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    }
    t.is(server.report().allocated_total, 100)
    t.is(descriptors(), open)
    await using last = await TurnClient.udp(server.bound.udp[0]!, turnUser())
    await last.allocate()
  }
  await delay(0)
  t.is(descriptors(), before)
})

test('a bucket lets the rate pass, and half a second of it at once', (t) => {
  const bucket = new RateBucket(800, 0) // 100 bytes a ms
  t.true(bucket.take(50_000, 0))
  t.false(bucket.take(1, 0))
  t.true(bucket.take(1000, 10))
  t.false(bucket.take(1, 10))
  t.true(bucket.take(50_000, 100_000))
  t.false(bucket.take(1, 100_000))
  // A clock that goes back gives nothing.
  t.false(bucket.take(1, 50_000))
  t.true(new RateBucket(null, 0).take(1e12, 0))
})

for (const [limit, allocations] of [
  ['kbps_per_allocation', 1],
  ['kbps_per_tenant', 2],
] as const)
  test.serial(`${limit} bounds each direction, and the rest is dropped`, async (t) => {
    const kbps = 100 // 6250 bytes at once
    await using rig = await timed(turnStart({ limits: { ...LIMITS, [limit]: kbps } }))
    await using stack = new AsyncDisposableStack()
    const peer = stack.use(await Peer.open())
    let [toPeer, toClient] = [0, 0]
    for (let index = 0; index < allocations; index += 1) {
      const user = turnUser({ contract: `c${index}` })
      const client = stack.use(await TurnClient.udp(rig.server.bound.udp[0]!, user))
      const relayed = await client.allocate()
      await client.bind(0x4000, peer.endpoint)
      for (let packet = 0; packet < 10; packet += 1) {
        client.sendChannel(0x4000, Buffer.alloc(1000))
        peer.send(Buffer.alloc(1000), relayed)
      }
      const expected = (index + 1) * 20
      await until(() => {
        const { packets_dropped, bytes_to_clients, bytes_to_peers } = rig.server.report()
        toPeer = bytes_to_peers
        toClient = bytes_to_clients
        return packets_dropped + (bytes_to_clients + bytes_to_peers) / 1000 === expected
      }, 'all packets to be relayed or dropped')
    }
    t.deepEqual([toPeer, toClient], [6000, 6000])
  })
