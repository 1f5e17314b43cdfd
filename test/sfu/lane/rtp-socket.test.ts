import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { BATCH_DATAGRAMS, DATAGRAM_BYTES } from '../../../sfu/lane/datagram-batch.ts'
import { RtpSocket } from '../../../sfu/lane/rtp-socket.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

/** Where a lane would be: keeps what arrives and the ports that it came from. */
interface Lane extends Disposable {
  readonly socket: Socket
  readonly target: { readonly ip: string; readonly port: number }
  readonly packets: Buffer[]
  readonly ports: Set<number>
}

async function openLane(port = 0): Promise<Lane> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
  const packets: Buffer[] = []
  const ports = new Set<number>()
  socket.on('message', (packet, { port }) => {
    packets.push(packet)
    ports.add(port)
  })
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  const target = { ip: '127.0.0.1', port: socket.address().port }
  return { socket, target, packets, ports, [Symbol.dispose]: () => socket.close() }
}

async function open(t: ExecutionContext, onRtcp: (packet: Buffer) => void = () => {}) {
  const [port = 0] = await freeUdpPorts(1)
  const socket = await RtpSocket.open(port, onRtcp)
  t.teardown(() => socket[Symbol.dispose]())
  return { port, socket }
}

const arrived = (lane: Lane, count: number) =>
  until(() => lane.packets.length >= count, `${count} packets arrive`)

/** Packets that tell themselves apart, of sizes from 1 byte to the largest of a batch. */
function packets(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const packet = Buffer.alloc(1 + ((index * 389) % DATAGRAM_BYTES), index)
    if (packet.length >= 2) packet.writeUInt16BE(index)
    return packet
  })
}

test('the packets of pictures, whose last is smaller, arrive whole and in order', async (t) => {
  const { socket } = await open(t)
  using lane = await openLane()
  await socket.connect(lane.target)
  const sizes = [...Array<number>(70).fill(1200), 33, ...Array<number>(3).fill(1200), 900, 28, 1200, 80, 80]
  const sent = sizes.map((size, index) => Buffer.alloc(size, index))
  for (const packet of sent) socket.send(packet)
  await arrived(lane, sent.length)
  t.deepEqual(lane.packets, sent)
})

test('packets of one turn arrive whole and in order, however many batches they are', async (t) => {
  const { port, socket } = await open(t)
  using lane = await openLane()
  await socket.connect(lane.target)
  for (const count of [1, BATCH_DATAGRAMS - 1, BATCH_DATAGRAMS, 3 * BATCH_DATAGRAMS + 7]) {
    lane.packets.length = 0
    const sent = packets(count)
    for (const packet of sent) socket.send(packet)
    await arrived(lane, count)
    t.deepEqual(lane.packets, sent)
  }
  t.deepEqual([...lane.ports], [port])
})

test('a packet is free to change once it was sent', async (t) => {
  const { socket } = await open(t)
  using lane = await openLane()
  await socket.connect(lane.target)
  const packet = Buffer.of(1)
  for (let number = 1; number <= 3; number++) {
    packet[0] = number
    socket.send(packet)
  }
  await arrived(lane, 3)
  t.deepEqual(lane.packets, [Buffer.of(1), Buffer.of(2), Buffer.of(3)])
})

test('a packet too large for a batch keeps its place', async (t) => {
  const { socket } = await open(t)
  using lane = await openLane()
  await socket.connect(lane.target)
  const sent = [DATAGRAM_BYTES, DATAGRAM_BYTES + 1, 9000, 10].map((bytes, index) =>
    Buffer.alloc(bytes, index),
  )
  for (const packet of sent) socket.send(packet)
  await arrived(lane, sent.length)
  t.deepEqual(lane.packets, sent)
})

test('nothing is sent without a lane, and earlier packets still leave', async (t) => {
  const { socket } = await open(t)
  using lane = await openLane()
  socket.send(Buffer.of(1))
  await socket.connect(lane.target)
  socket.send(Buffer.of(2))
  socket.disconnect()
  socket.send(Buffer.of(3))
  await turn()
  await socket.connect(lane.target)
  socket.send(Buffer.of(4))
  await arrived(lane, 2)
  t.deepEqual(lane.packets, [Buffer.of(2), Buffer.of(4)])
})

test('the same port sends to another lane, to each lane its own packets', async (t) => {
  const { port, socket } = await open(t)
  using first = await openLane()
  using second = await openLane()
  await socket.connect(first.target)
  socket.send(Buffer.of(1))
  await socket.connect(second.target)
  socket.send(Buffer.of(2))
  await arrived(first, 1)
  await arrived(second, 1)
  socket.disconnect()
  await socket.connect(first.target)
  socket.send(Buffer.of(3))
  await arrived(first, 2)
  t.deepEqual(first.packets, [Buffer.of(1), Buffer.of(3)])
  t.deepEqual(second.packets, [Buffer.of(2)])
  t.deepEqual([...first.ports, ...second.ports], [port, port])
})

test('RTCP comes in whole, from the lane alone', async (t) => {
  const received: Buffer[] = []
  const { port, socket } = await open(t, (packet) => received.push(Buffer.from(packet)))
  using lane = await openLane()
  using stranger = await openLane()
  await socket.connect(lane.target)
  stranger.socket.send(Buffer.of(99), port, '127.0.0.1')
  // Small, so that all fit into the socket's receive buffer.
  const sent = packets(200).map((packet) => packet.subarray(0, 100))
  for (const packet of sent) lane.socket.send(packet, port, '127.0.0.1')
  await until(() => received.length >= sent.length, 'all RTCP arrives')
  t.deepEqual(received, sent)
})

test('packets that answer RTCP leave at once', async (t) => {
  const { port, socket } = await open(t, (packet) => socket.send(packet))
  using lane = await openLane()
  await socket.connect(lane.target)
  for (let round = 0; round < 50; round++) {
    lane.socket.send(Buffer.of(round), port, '127.0.0.1')
    // Only the answer wakes this process here: a socket that waited for another event would hang until the timeout.
    await once(lane.socket, 'message')
  }
  t.is(lane.packets.length, 50)
})

test('a dead port costs nothing that is sent once it lives, nor RTCP', async (t) => {
  const received: Buffer[] = []
  const { port, socket } = await open(t, (packet) => received.push(Buffer.from(packet)))
  const [dead = 0] = await freeUdpPorts(1)
  await socket.connect({ ip: '127.0.0.1', port: dead })
  for (let round = 0; round < 3; round++) {
    for (const packet of packets(BATCH_DATAGRAMS + 5)) socket.send(packet)
    await turn()
  }
  // Leaves an ICMP answer behind that the next call would be told of.
  socket.send(Buffer.of(0))
  await turn()
  using lane = await openLane(dead)
  const sent = packets(2 * BATCH_DATAGRAMS)
  for (const packet of sent) socket.send(packet)
  await arrived(lane, sent.length)
  t.deepEqual(lane.packets, sent)
  lane.socket.send(Buffer.of(7), port, '127.0.0.1')
  await until(() => received.length > 0, 'RTCP arrives')
  t.deepEqual(received, [Buffer.of(7)])
})

test('a dead port that is reported while nothing is sent does not end the listening', async (t) => {
  const received: Buffer[] = []
  const { port, socket } = await open(t, (packet) => received.push(Buffer.from(packet)))
  const [dead = 0] = await freeUdpPorts(1)
  for (let round = 0; round < 3; round++) {
    await socket.connect({ ip: '127.0.0.1', port: dead })
    socket.send(Buffer.of(0))
    for (let turns = 0; turns < 20; turns++) await turn()
    using lane = await openLane()
    await socket.connect(lane.target)
    lane.socket.send(Buffer.of(round), port, '127.0.0.1')
    await until(() => received.length > round, 'RTCP arrives')
  }
  t.deepEqual(received, [Buffer.of(0), Buffer.of(1), Buffer.of(2)])
})

test('a taken port is named', async (t) => {
  const { port } = await open(t)
  const before = readdirSync('/proc/self/fd').length
  for (let attempt = 0; attempt < 10; attempt++)
    await t.throwsAsync(
      RtpSocket.open(port, () => {}),
      { message: `bind EADDRINUSE 127.0.0.1:${port}` },
    )
  t.true(readdirSync('/proc/self/fd').length < before + 10)
})

test('only IPv4 lanes are connected to', async (t) => {
  const { socket } = await open(t)
  await t.throwsAsync(socket.connect({ ip: '::1', port: 5004 }), { message: '"::1" is not an IPv4 address' })
})

test('disposed, it has sent all, calls nothing and leaves its port to a successor', async (t) => {
  const received: Buffer[] = []
  const { port, socket } = await open(t, (packet) => {
    received.push(Buffer.from(packet))
    socket[Symbol.dispose]()
  })
  using lane = await openLane()
  await socket.connect(lane.target)
  socket.send(Buffer.of(1))
  lane.socket.send(Buffer.of(8), port, '127.0.0.1')
  lane.socket.send(Buffer.of(9), port, '127.0.0.1')
  await arrived(lane, 1)
  await until(() => received.length > 0, 'RTCP arrives')
  socket[Symbol.dispose]()
  socket.send(Buffer.of(2))
  socket.disconnect()
  await t.throwsAsync(socket.connect(lane.target), { message: /^connect EBADF/ })

  const successor = await RtpSocket.open(port, () => {})
  t.teardown(() => successor[Symbol.dispose]())
  await successor.connect(lane.target)
  socket[Symbol.dispose]()
  socket.disconnect()
  successor.send(Buffer.of(3))
  await arrived(lane, 2)
  t.deepEqual(lane.packets, [Buffer.of(1), Buffer.of(3)])
  t.deepEqual(received, [Buffer.of(8)])
  t.deepEqual([...lane.ports], [port])
})
