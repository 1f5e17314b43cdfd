import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import test from 'ava'
import { METHOD } from '../../common/stun/stun-types.ts'
import { FRAME_MS, IDLE_MS, MAX_QUEUED_BYTES } from '../../turn/stream-client.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { testCertificate } from '../support/test-certificate.ts'
import { channelData, codeOf, TurnClient } from '../support/turn-client.ts'
import { LIMITS, Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const any = [{ ip: '127.0.0.1', port: 0 }]
const tls = await testCertificate()

async function open(limits = LIMITS) {
  const time = { nowMs: 1000 }
  const start = turnStart({ listen: { udp: [], tcp: any, tls: any }, tls, limits })
  const server = await TurnServer.open(start, { nowMs: () => time.nowMs, wallMs: () => Date.now() })
  return {
    time,
    server,
    tcp: server.bound.tcp[0]!,
    tls: server.bound.tls[0]!,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function raw({ ip, port }: { ip: string; port: number }) {
  const socket = connect({ host: ip, port })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  return Object.assign(socket, { [Symbol.dispose]: () => void socket.destroy() })
}

test('packets go both ways over TLS, and frames may be cut anywhere', async (t) => {
  await using rig = await open()
  await using peer = await Peer.open()
  await using client = await TurnClient.tcp(rig.tls, turnUser(), true)
  const relayed = await client.allocate()
  t.is(codeOf(await client.bind(0x4000, peer.endpoint)), 0)
  const frames = Buffer.concat(
    [1, 2, 3, 4, 5, 1200].map((bytes) => channelData(0x4000, Buffer.alloc(bytes, bytes))),
  )
  for (let at = 0; at < frames.length; at += 97) {
    client.raw(frames.subarray(at, at + 97))
    if (at < 970) await delay(1)
  }
  await until(() => peer.received.length === 6, 'all frames')
  t.deepEqual(
    peer.received.map(({ data }) => data.length),
    [1, 2, 3, 4, 5, 1200],
  )
  for (const bytes of [0, 1, 2, 3, 4, 1200]) peer.send(Buffer.alloc(bytes), relayed)
  await until(() => client.received.length === 6, 'all packets')
  t.deepEqual(
    client.received.map(({ data }) => data.length),
    [0, 1, 2, 3, 4, 1200],
  )
  // Over a stream each frame starts at a multiple of 4.
  t.true(client.frames.every(({ length }) => length % 4 === 0))
})

for (const [name, bytes] of [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['TLS where TCP is spoken', Buffer.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3)],
  ['a length that is no multiple of 4', Buffer.of(0, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42)],
  ['another cookie', Buffer.of(0, 1, 0, 0, 1, 2, 3, 4, 5)],
  ['a frame longer than any', Buffer.of(0, 1, 0xff, 0xfc)],
  ['a channel that is none', Buffer.of(0x80, 0, 0, 4)],
  ['ChannelData longer than any', Buffer.of(0x40, 0, 0xff, 0xff)],
] as const)
  test(`${name} ends the connection at once`, async (t) => {
    await using rig = await open()
    using socket = await raw(rig.tcp)
    socket.write(bytes)
    await once(socket, 'close')
    await using client = await TurnClient.tcp(rig.tcp, turnUser())
    await t.notThrowsAsync(client.allocate())
  })

test('a connection that closes takes its allocation with it', async (t) => {
  await using rig = await open()
  {
    await using client = await TurnClient.tcp(rig.tcp, turnUser())
    await client.allocate()
    t.is(rig.server.report().allocations, 1)
  }
  const flow = await until(() => rig.server.report().flows.find(({ ended }) => ended), 'the end')
  t.like(flow, { ended: true, protocol: 'tcp', contract_id: 'c1' })
})

test('who begins a frame and does not end it is let go, and so is who does nothing', async (t) => {
  await using rig = await open()
  using loris = await raw(rig.tcp)
  using idler = await raw(rig.tcp)
  await using client = await TurnClient.tcp(rig.tcp, turnUser())
  await client.allocate()
  const gone: string[] = []
  loris.once('close', () => gone.push('loris'))
  idler.once('close', () => gone.push('idler'))
  const request = client.write(METHOD.binding, () => {})
  loris.write(request.subarray(0, 10))
  await until(() => loris.bytesWritten === 10, 'the bytes')
  await delay(50)
  // A byte now and then does not help.
  for (let at = 10; at < 14; at += 1) {
    rig.time.nowMs += FRAME_MS / 4
    loris.write(request.subarray(at, at + 1))
    await delay(20)
  }
  rig.time.nowMs += 2
  await until(() => gone.length === 1, 'the end of the slow one')
  t.deepEqual(gone, ['loris'])
  rig.time.nowMs += IDLE_MS
  await until(() => gone.length === 2, 'the end of the idle one')
  t.false(client.closed)
  t.is(codeOf(await client.refresh(600)), 0)
})

test('half-open TLS is bounded for each address, and new connections come when old ones go', async (t) => {
  await using rig = await open({ ...LIMITS, allocations_per_address: 4 })
  const halves: Socket[] = []
  while (halves.length < 20) halves.push(await raw(rig.tls))
  const refused = await raw(rig.tls)
  if (!refused.closed) await once(refused, 'close')
  t.true((rig.server.report().refused['connections'] ?? 0) >= 1)
  for (const half of halves) half.destroy()
  await until(async () => {
    const socket = connectTls({ host: '127.0.0.1', port: rig.tls.port, rejectUnauthorized: false })
    const opened = await Promise.race([
      once(socket, 'secureConnect').then(
        () => true,
        () => false,
      ),
      once(socket, 'close').then(
        () => false,
        () => false,
      ),
    ])
    socket.destroy()
    return opened
  }, 'room for a connection')
  t.pass()
})

test('a slow peer is dropped for, not waited for: memory is bounded and others go on', async (t) => {
  await using rig = await open()
  await using peer = await Peer.open()
  await using slow = await TurnClient.tcp(rig.tcp, turnUser())
  const relayed = await slow.allocate()
  await slow.bind(0x4000, peer.endpoint)
  slow.pause()
  const before = process.memoryUsage().arrayBuffers
  const packet = Buffer.alloc(1200)
  const MEGABYTES = 64
  for (let sent = 0; sent < MEGABYTES * 1e6; sent += 1200 * 50) {
    for (let each = 0; each < 50; each += 1) peer.send(packet, relayed)
    await delay(0)
  }
  await until(() => rig.server.report().packets_dropped > 1000, 'packets to be dropped')
  const grown = process.memoryUsage().arrayBuffers - before
  t.true(grown < 16 * MAX_QUEUED_BYTES, `${grown} bytes more`)
  await using other = await TurnClient.tcp(rig.tcp, turnUser({ contract: 'c2' }))
  t.is(codeOf(await other.challenge()), 401)
  slow.resume()
  await until(() => slow.received.length > 0, 'what was queued')
  t.is(codeOf(await slow.refresh(600)), 0)
})

test('a new certificate serves new connections', async (t) => {
  await using rig = await open()
  const other = await testCertificate('renewed')
  await using before = await TurnClient.tcp(rig.tls, turnUser(), true)
  rig.server.setCertificate(other)
  const socket = connectTls({ host: '127.0.0.1', port: rig.tls.port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  t.is(socket.getPeerCertificate().subject.CN, 'renewed')
  socket.destroy()
  await t.notThrowsAsync(before.allocate())
})
