import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Endpoint } from '../../common/net/endpoint.ts'
import { ATTRIBUTE, METHOD } from '../../common/stun/stun-types.ts'
import type { StunWriter } from '../../common/stun/stun-writer.ts'
import { ANSWERS_PER_SECOND } from '../../turn/answer-limit.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { channelData, codeOf, SILENCE_MS, TurnClient, udpTransport } from '../support/turn-client.ts'
import { Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const nobody = await TurnClient.udp({ ip: '127.0.0.1', port: 9 })
test.after.always(() => nobody[Symbol.asyncDispose]())
const write = (method: number, fill: (writer: StunWriter) => void = () => {}) =>
  Buffer.from(nobody.write(method, fill, Buffer.alloc(12, 1)))
const changed = (bytes: Buffer, change: (bytes: Buffer) => void) => {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}
const allocate = write(METHOD.allocate, udpTransport)

/** Datagrams that get no answer. */
const NONSENSE: readonly (readonly [string, Buffer])[] = [
  ['an empty datagram', Buffer.alloc(0)],
  ['one byte', Buffer.of(0)],
  ['one byte of a channel', Buffer.of(0x40)],
  ['two bytes', Buffer.of(0, 1)],
  ['a header that is cut', allocate.subarray(0, 19)],
  ['a message that is cut', allocate.subarray(0, 24)],
  ['a message with bytes behind it', Buffer.concat([allocate, Buffer.alloc(4)])],
  ['a length that is no multiple of 4', changed(allocate, (bytes) => bytes.writeUInt16BE(7, 2))],
  ['a length beyond the end', changed(allocate, (bytes) => bytes.writeUInt16BE(0xfffc, 2))],
  ['another cookie', changed(allocate, (bytes) => bytes.writeUInt32BE(1, 4))],
  ['an attribute beyond the end', changed(allocate, (bytes) => bytes.writeUInt16BE(0xffff, 22))],
  ['an attribute without its header', changed(allocate, (bytes) => bytes.writeUInt16BE(5, 22))],
  [
    'a wrong fingerprint',
    changed(
      write(METHOD.allocate, (w) => w.fingerprint()),
      (bytes) => bytes.writeUInt32BE(1, 24),
    ),
  ],
  ['an unknown method', write(0x0002)],
  ['a Connect of TCP relaying', write(0x000a)],
  ['a success that nobody asked for', write(METHOD.allocate | 0x0100)],
  ['an error that nobody asked for', write(METHOD.allocate | 0x0110)],
  ['ChannelData without an allocation', channelData(0x4000, Buffer.alloc(100))],
  ['ChannelData of a number that is none', channelData(0x8000, Buffer.alloc(100))],
  ['ChannelData that is shorter than it says', Buffer.of(0x40, 0, 0xff, 0xff, 1)],
  [
    'a Send without an allocation',
    write(METHOD.send | 0x0010, (w) =>
      w.address(ATTRIBUTE.xorPeerAddress, Endpoint.of('127.0.0.1', 9)).text(ATTRIBUTE.data, 'x'),
    ),
  ],
  ['the largest datagram', Buffer.alloc(65_507)],
  ['DTLS', Buffer.of(22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0)],
  ['RTP', Buffer.alloc(1200, 0x80)],
  ['10,000 attributes', manyAttributes()],
]

for (const [name, datagram] of NONSENSE)
  test(`${name} is not answered, and the next request is`, async (t) => {
    await using server = await TurnServer.open(turnStart())
    await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
    client.raw(datagram)
    const answer = await client.request(METHOD.binding)
    t.is(codeOf(answer), 0)
    t.is(client.frames.length, 1)
    await client.allocate()
    // And once more from somebody who has an allocation.
    client.raw(datagram)
    t.is(codeOf(await client.request(METHOD.refresh)), 0)
    t.is(client.frames.length, 4)
  })

test('no stranger gets more than twice what was sent', async (t) => {
  await using server = await TurnServer.open(
    turnStart({
      realm: '12345678',
      listen: {
        udp: [
          { ip: '127.0.0.1', port: 0 },
          { ip: '::1', port: 0 },
        ],
        tcp: [],
        tls: [],
      },
    }),
  )
  const requests = [
    write(METHOD.binding),
    allocate,
    ...[METHOD.allocate, METHOD.refresh, METHOD.createPermission, METHOD.channelBind].map((method) =>
      write(method),
    ),
    write(METHOD.binding, (w) => w.fingerprint()),
    write(METHOD.allocate, (w) => w.fingerprint()),
    write(METHOD.binding, (w) => w.uint32(0x0055, 1)),
    // A kilobyte of unknown attributes, and every way to be refused.
    write(METHOD.binding, (w) => {
      for (let type = 0x0100; type < 0x0132; type += 1) w.add(type, Buffer.alloc(0))
    }),
    write(METHOD.allocate, (w) => w.text(ATTRIBUTE.username, 'x').integrity('sha1', Buffer.alloc(1))),
    write(METHOD.allocate, (w) => w.integrity('sha1', Buffer.alloc(1))),
    write(METHOD.allocate, (w) =>
      w
        .text(ATTRIBUTE.username, '1:a/b')
        .text(ATTRIBUTE.realm, '12345678')
        .text(ATTRIBUTE.nonce, 'n')
        .integrity('sha1', Buffer.alloc(1)),
    ),
    write(METHOD.allocate, (w) =>
      w
        .text(ATTRIBUTE.username, '')
        .text(ATTRIBUTE.realm, '')
        .text(ATTRIBUTE.nonce, '')
        .integrity('sha256', Buffer.alloc(1)),
    ),
    ...[28, 40, 60, 80, 100, 400].map((bytes) =>
      write(METHOD.allocate, (w) => w.add(ATTRIBUTE.software, Buffer.alloc(bytes))),
    ),
  ]
  let answers = 0
  for (const { ip, port } of server.bound.udp)
    for (const request of requests) {
      await using client = await TurnClient.udp({ ip, port })
      await client.exchange(request, Buffer.alloc(12, 1), SILENCE_MS)
      for (const frame of client.frames) {
        answers += 1
        t.true(
          frame.length <= 2 * request.length,
          `${request.length} bytes got ${frame.length}: ${request.toString('hex')}`,
        )
      }
    }
  // Bare ones over IPv4 are answered all the same: clients begin with those.
  t.true(answers >= requests.length, `${answers} answers`)
})

test("an Allocate of 28 bytes, a browser's first, is answered with realm and nonce", async (t) => {
  await using server = await TurnServer.open(turnStart({ realm: '12345678' }))
  await using client = await TurnClient.udp(server.bound.udp[0]!)
  t.is(allocate.length, 28)
  const answer = await client.challenge()
  t.is(codeOf(answer), 401)
  t.is(answer?.length, 56)
  t.deepEqual([client.realm, client.nonce.length], ['12345678', 12])
})

test('a flood of strangers is answered so often a second, and somebody with an allocation always', async (t) => {
  await using server = await TurnServer.open(turnStart())
  await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
  await client.allocate()
  const { ip, port } = server.bound.udp[0]!
  const flooder = createSocket('udp4')
  let answered = 0
  flooder.on('message', () => {
    answered += 1
  })
  flooder.bind(0, '127.0.0.1')
  await once(flooder, 'listening')
  const startedAt = performance.now()
  for (let sent = 0; sent < 3000; sent += 100) {
    for (let each = 0; each < 100; each += 1) flooder.send(allocate, port, ip)
    await delay(1)
  }
  t.is(codeOf(await client.refresh(600)), 0)
  await until(() => (server.report().refused['withheld'] ?? 0) > 0, 'answers that were withheld')
  const seconds = Math.ceil((performance.now() - startedAt) / 1000) + 1
  t.true(answered <= seconds * ANSWERS_PER_SECOND, `${answered} answers in ${seconds} s`)
  flooder.close()
})

test('a peer without permission, or with one byte, ends nothing', async (t) => {
  await using server = await TurnServer.open(turnStart())
  await using peer = await Peer.open()
  await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
  const relayed = await client.allocate()
  peer.send(Buffer.of(1), relayed)
  await until(() => server.report().packets_dropped === 1, 'the packet to be dropped')
  await client.permit(peer.endpoint)
  for (const bytes of [1, 0, 2, 3, 4, 1500, 9000, 16_384]) peer.send(Buffer.alloc(bytes), relayed)
  await until(() => client.received.length === 8, 'packets of all lengths')
  // Longer than any packet that is relayed.
  peer.send(Buffer.alloc(16_385), relayed)
  await until(() => server.report().packets_dropped === 2, 'the long packet to be dropped')
  t.is(client.received.length, 8)
})

function manyAttributes(): Buffer {
  const bytes = Buffer.alloc(20 + 10_000 * 4)
  bytes.writeUInt16BE(METHOD.binding, 0)
  bytes.writeUInt16BE(40_000, 2)
  bytes.writeUInt32BE(0x2112_a442, 4)
  for (let at = 20; at < bytes.length; at += 4) bytes.writeUInt16BE(0x0100, at)
  return bytes
}
