import test from 'ava'
import { readNtpTime } from '../../../common/ntp-time.ts'
import { H264Packetizer } from '../../../common/rtp/h264-packetizer.ts'
import { HeaderExtensions } from '../../../common/rtp/header-extensions.ts'
import { RtpOutput } from '../../../common/rtp/rtp-output.ts'
import { readFeedback } from '../../../sfu/lane/rtcp-feedback.ts'
import { encodeSenderReport } from '../../../sfu/lane/sender-report.ts'
import { depacketizeH264, parseRtp, type RtpPacket } from '../ingress/rtp-depacketizer.ts'

const nal = (type: number, length: number): Buffer => {
  const data = Buffer.alloc(length, type + 0x80)
  data[0] = 0x60 | type
  return data
}

function setUp(keep = 512): { output: RtpOutput; sent: RtpPacket[] } {
  const sent: RtpPacket[] = []
  const send = (packet: Buffer): unknown => sent.push(parseRtp(packet))
  return {
    sent,
    output: new RtpOutput({ ssrc: 77, payloadType: 102, sequence: 65_534, maxPacketBytes: 1200, keep, send }),
  }
}

const extensions = (): HeaderExtensions =>
  new HeaderExtensions({ playout_delay: 6, abs_capture_time: 13 }, { min: 0, max: 400 })

function send(
  nals: readonly Buffer[],
  output: RtpOutput,
  headers = extensions(),
  timestamp = 2 ** 32 + 9,
): void {
  const packetizer = new H264Packetizer()
  for (const data of nals) packetizer.add(data, 0, data.length)
  packetizer.send(output, timestamp, headers)
}

test('every size of NAL unit around the limits comes back byte for byte', (t) => {
  for (const length of [
    1, 2, 1100, 1150, 1155, 1158, 1159, 1160, 1161, 1162, 1163, 1164, 1180, 1200, 2400, 100_000,
  ]) {
    const { output, sent } = setUp()
    const nals = [nal(7, 20), nal(8, 5), nal(5, length), nal(5, 30), nal(5, 40)]
    send(nals, output)
    const units = depacketizeH264(sent)
    t.is(units.length, 1)
    t.deepEqual(units[0]!.nals, nals)
    t.true(sent.every((packet) => packet.bytes <= 1200 && packet.timestamp === 9))
    t.deepEqual(
      sent.map((packet) => packet.marker),
      sent.map((_, index) => index === sent.length - 1),
    )
    t.true(sent.every((packet, index) => packet.sequence === (65_534 + index) % 65_536))
  }
})

test('small neighbours share a packet', (t) => {
  const { output, sent } = setUp()
  send([nal(7, 20), nal(8, 5), nal(5, 300), nal(5, 300)], output)
  t.is(sent.length, 1)
})

test('playout-delay is on every packet, abs-capture-time on the first of an access unit', (t) => {
  const { output, sent } = setUp()
  const headers = extensions()
  headers.stamp(1_800_000_000_123.5)
  send([nal(5, 3000)], output, headers)
  t.is(sent.length, 3)
  for (const packet of sent) t.deepEqual([...packet.extensions.get(6)!], [0, 0, 40])
  t.deepEqual(
    sent.map((packet) => packet.extensions.has(13)),
    [true, false, false],
  )
  t.true(Math.abs(readNtpTime(sent[0]!.extensions.get(13)!, 0) - 1_800_000_000_123.5) < 0.001)
})

test('extensions without an id are left out', (t) => {
  const { output, sent } = setUp()
  send(
    [nal(5, 1188)],
    output,
    new HeaderExtensions({ playout_delay: 0, abs_capture_time: 0 }, { min: 0, max: 0 }),
  )
  t.is(sent.length, 1)
  t.is(sent[0]!.bytes, 1200)
  t.is(sent[0]!.extensions.size, 0)
})

test('a packet is sent again while it is kept, the very same bytes', (t) => {
  const { output, sent } = setUp(4)
  for (let unit = 0; unit < 6; unit++) send([nal(1, 100 + unit)], output)
  t.true(output.resend(sent[5]!.sequence))
  t.deepEqual(sent[6], sent[5])
  t.false(output.resend(sent[0]!.sequence))
  t.false(output.resend(4000))
  t.is(output.resent, 1)
})

test('feedback: NACK with its bit mask, PLI and FIR in a compound; rubbish is skipped', (t) => {
  const nack = Buffer.alloc(20)
  nack.set([0x81, 205, 0, 4])
  nack.writeUInt32BE(77, 8)
  nack.writeUInt16BE(65_535, 12)
  nack.writeUInt16BE(0b101, 14)
  nack.writeUInt16BE(9, 16)
  const pli = Buffer.alloc(12)
  pli.set([0x81, 206, 0, 2])
  pli.writeUInt32BE(78, 8)
  const fir = Buffer.alloc(20)
  fir.set([0x84, 206, 0, 4])
  fir.writeUInt32BE(79, 12)
  const compound = Buffer.concat([Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 1]), nack, pli, fir])
  const seen: (number | string)[] = []
  const sink = {
    nack: (ssrc: number, sequence: number) => seen.push(`${ssrc}:${sequence}`),
    keyframe: (ssrc: number) => seen.push(ssrc),
  }
  readFeedback(compound, sink)
  t.deepEqual(seen, ['77:65535', '77:0', '77:2', '77:9', 78, 79])
  for (let length = 0; length < compound.length; length++) {
    t.notThrows(() => readFeedback(compound.subarray(0, length), sink))
  }
})

test('a sender report says wall time and lane time, with its CNAME', (t) => {
  for (const cname of ['', 'abc', 'lane-1234567']) {
    const report = encodeSenderReport({
      ssrc: 77,
      cname,
      unixMs: 1_800_000_000_500,
      rtpTimestamp: 2 ** 32 + 5,
      packets: 3,
      octets: 2 ** 32 + 1,
    })
    t.is(report.length % 4, 0)
    t.is(report[1], 200)
    t.is(readNtpTime(report, 8), 1_800_000_000_500)
    t.is(report.readUInt32BE(16), 5)
    t.is(report.readUInt32BE(24), 1)
    t.is(report[29], 202)
    t.is(32 + report.readUInt16BE(30) * 4, report.length)
    t.is(report.subarray(38, 38 + report[37]!).toString(), cname)
    t.is(report.at(-1), 0)
  }
})
