import test from 'ava'
import { writeNtpTime } from '../../../common/ntp-time.ts'
import { RtpPacket } from '../../../sfu/switch/rtp-packet.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'

const NOW = 1_790_000_000_123

function header(extension: Buffer | null): Buffer {
  const bytes = Buffer.alloc(12)
  bytes[0] = 0x80 | (extension ? 0x10 : 0)
  bytes[1] = 0x80 | 102
  bytes.writeUInt16BE(7, 2)
  bytes.writeUInt32BE(90_000, 4)
  bytes.writeUInt32BE(0x1122_3344, 8)
  return extension ? Buffer.concat([bytes, extension]) : bytes
}

function block(form: number, elements: Buffer): Buffer {
  const padded = Buffer.concat([elements, Buffer.alloc((4 - (elements.length % 4)) % 4)])
  const head = Buffer.alloc(4)
  head.writeUInt16BE(form, 0)
  head.writeUInt16BE(padded.length / 4, 2)
  return Buffer.concat([head, padded])
}

const time = Buffer.alloc(8)
writeNtpTime(time, 0, NOW)
const longTime = Buffer.concat([time, Buffer.alloc(8)])
const PAYLOAD = Buffer.from([0x67, 0x42])

const CAPTURED: readonly (readonly [name: string, extension: Buffer | null, id: number, found: boolean])[] = [
  ['one-byte form', block(0xbede, Buffer.concat([Buffer.from([0xd7]), time])), 13, true],
  ['with the offset of the clock', block(0xbede, Buffer.concat([Buffer.from([0xdf]), longTime])), 13, true],
  [
    'behind another element and padding',
    block(0xbede, Buffer.concat([Buffer.from([0x62, 1, 2, 3, 0, 0, 0xd7]), time])),
    13,
    true,
  ],
  ['two-byte form', block(0x1000, Buffer.concat([Buffer.from([13, 8]), time])), 13, true],
  ['another id', block(0xbede, Buffer.concat([Buffer.from([0xc7]), time])), 13, false],
  ['too short', block(0xbede, Buffer.from([0xd1, 1, 2])), 13, false],
  ['longer than the block', block(0xbede, Buffer.from([0xd7, 1, 2, 3])), 13, false],
  ['another form', block(0x1234, Buffer.concat([Buffer.from([0xd7]), time])), 13, false],
  ['no extension', null, 13, false],
  ['not agreed on', block(0xbede, Buffer.concat([Buffer.from([0xd7]), time])), 0, false],
]

for (const [name, extension, id, found] of CAPTURED)
  test(`the capture time: ${name}`, (t) => {
    const packet = new RtpPacket()
    t.true(packet.read(Buffer.concat([header(extension), PAYLOAD])))
    t.is(packet.payloadAt, 12 + (extension?.length ?? 0))
    const captured = packet.captureUnixMs(id)
    if (found) t.true(Math.abs(captured - NOW) < 0.01)
    else t.true(Number.isNaN(captured))
  })

const KEYFRAMES: readonly (readonly [name: string, payload: readonly number[], begins: boolean])[] = [
  ['sequence parameter set', [0x67, 0x42], true],
  ['parameter sets and slice together', [24, 0, 2, 0x67, 0x42, 0, 1, 0x68, 0, 2, 0x65, 0x88], true],
  ['delimiter first', [24, 0, 2, 9, 0x10, 0, 2, 0x67, 0x42], true],
  ['IDR slice without parameter sets', [0x65, 0x88], false],
  ['fragment of an IDR slice', [28, 0x85, 0x88], false],
  ['slice', [0x41, 0x9a], false],
  ['slices together', [24, 0, 2, 0x41, 0x9a, 0, 2, 0x41, 0x9a], false],
  ['a length that leads outside', [24, 0xff, 0xff, 0x41], false],
]

for (const [name, payload, begins] of KEYFRAMES)
  test(`where a keyframe begins: ${name}`, (t) => {
    const packet = new RtpPacket()
    t.true(packet.read(Buffer.concat([header(null), Buffer.from(payload)])))
    t.is(packet.beginsKeyframe, begins)
  })

test('any bytes are read without harm', (t) => {
  const random = new SeededRandom('rtp packets of inputs')
  const packet = new RtpPacket()
  for (let round = 0; round < 50_000; round++) {
    const bytes = random.bytes(random.below(60))
    if (bytes.length > 0 && round % 2 === 0) bytes[0] = 0x90
    if (!packet.read(bytes)) continue
    t.true(packet.payloadAt < bytes.length)
    packet.captureUnixMs(random.below(256))
    t.is(typeof packet.beginsKeyframe, 'boolean')
  }
})
