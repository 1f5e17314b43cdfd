import test from 'ava'
import { decodeMessage, encodeCall, messageLength } from '../../agent/hardware/dbus/dbus-message.ts'
import { DbusReader } from '../../agent/hardware/dbus/dbus-values.ts'
import { attributesOf, dumpRequest, messagesIn } from '../../agent/hardware/netlink/netlink-message.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../agent/hardware/netlink/netlink-socket.ts'
import {
  parseAddress,
  parseDefaultRoutes,
  parseLink,
  parseQdisc,
} from '../../agent/hardware/network/network-state.ts'
import { ptpAnswerIn } from '../../agent/hardware/timing/ptp-message.ts'
import { modemManagerAnswer } from '../support/modem-manager-answer.ts'
import { SeededRandom } from './seeded-random.ts'

/** Bytes from the kernel, the bus and ptp4l, spoilt: readers say no, and never read past the end or loop. */

const ROUNDS = 3000

/** What this machine's kernel answers to a request for everything. */
function answered(type: number, bytes: number): Buffer {
  using socket = NetlinkSocket.open(NETLINK_ROUTE, 0)
  socket.send(dumpRequest(type, Buffer.alloc(bytes)))
  const piece = socket.receive()
  if (!Buffer.isBuffer(piece)) throw new Error('the kernel does not answer')
  return Buffer.from(piece)
}

function spoilt(good: Buffer, random: SeededRandom): Buffer {
  const bytes = Buffer.from(
    good.subarray(0, random.below(3) === 0 ? random.below(good.length + 1) : good.length),
  )
  for (let flip = random.below(12); flip > 0 && bytes.length > 0; flip -= 1)
    bytes[random.below(bytes.length)] = random.below(256)
  return bytes
}

test('netlink', (t) => {
  const random = new SeededRandom('netlink')
  const good = [answered(18, 16), answered(22, 8), answered(26, 12), answered(38, 20)]
  const bodies = good.flatMap((piece) => [...messagesIn(piece)])
  t.true(bodies.length > 6)
  t.true(good.some((piece) => [...messagesIn(piece)].some(({ body }) => parseLink(body)?.name === 'lo')))
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = spoilt(good[random.below(good.length)]!, random)
    for (const { body } of messagesIn(bytes)) {
      attributesOf(body)
      parseLink(body)
      parseAddress(body)
      parseQdisc(body)
      t.true(parseDefaultRoutes(body).length < 10_000)
    }
  }
})

test('D-Bus', (t) => {
  const random = new SeededRandom('dbus')
  const call = { destination: 'a.b', path: '/a', interface: 'c.d', member: 'E', texts: ['one', 'two'] }
  const messages = [encodeCall(call, 1), modemManagerAnswer()]
  t.deepEqual(decodeMessage(messages[0]!).body, ['one', 'two'])
  for (const message of messages) t.is(messageLength(message), message.length)
  const codes = 'ybnqiuxtdsogvah(){}'
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = spoilt(messages[round % 2]!, random)
    try {
      messageLength(bytes)
      decodeMessage(bytes)
    } catch (error) {
      t.true(error instanceof Error)
    }
    const signature = Array.from({ length: random.below(6) }, () => codes[random.below(codes.length)]).join(
      '',
    )
    try {
      new DbusReader(random.bytes(200), random.below(8)).read(signature)
    } catch (error) {
      t.true(error instanceof Error)
    }
  }
})

test('an array of nothing has no end, and containers go no deeper than the specification allows', (t) => {
  const endless = Buffer.alloc(64)
  endless.writeUInt32LE(0xffff_ffff, 0)
  t.throws(() => new DbusReader(endless, 0).read('ay'))
  // Structures without fields take no room.
  endless.writeUInt32LE(32, 0)
  t.throws(() => new DbusReader(endless, 0).read('a()'))
  const deep = Buffer.alloc(4000)
  for (let at = 0; at < deep.length; at += 3) deep.write('\x01v\0', at, 'latin1')
  t.throws(() => new DbusReader(deep, 0).read('v'), { message: /no type/ })
  t.throws(() => new DbusReader(deep, 0).read('a'.repeat(200)))
})

test('PTP', (t) => {
  const random = new SeededRandom('ptp')
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = random.bytes(40 + random.below(80))
    bytes[0] = 0x0d
    if (bytes.length > 55) {
      bytes[46] = 2
      bytes.writeUInt32BE([0xc000, 0xc004][random.below(2)]! | 0x20000, 50)
      bytes.writeUInt16BE(1, 48)
    }
    t.notThrows(() => ptpAnswerIn(bytes))
  }
})
