import test from 'ava'
import { H264Packetizer } from '../../../../common/rtp/h264-packetizer.ts'
import { HeaderExtensions } from '../../../../common/rtp/header-extensions.ts'
import { RtpOutput } from '../../../../common/rtp/rtp-output.ts'
import { UnitPrint } from '../../../../sfu/switch/merge/unit-print.ts'
import { Seeded } from '../../../policy/seeded.ts'

/** Packets of one access unit, as a lane cuts it. */
function cut(nals: readonly Buffer[], maxPacketBytes: number): Buffer[] {
  const packets: Buffer[] = []
  const output = new RtpOutput({
    ssrc: 1,
    payloadType: 96,
    sequence: 0,
    maxPacketBytes,
    keep: 64,
    send: (packet) => packets.push(Buffer.from(packet)),
  })
  const packetizer = new H264Packetizer()
  for (const nal of nals) packetizer.add(nal, 0, nal.length)
  packetizer.send(output, 0, new HeaderExtensions({ playout_delay: 0, abs_capture_time: 0 }, null))
  return packets
}

function printOf(packets: readonly Buffer[]): number {
  const print = new UnitPrint()
  for (const packet of packets) print.addH264(packet, 12)
  return print.value
}

test('a picture has the same print however it is cut into packets, and no other picture has it', (t) => {
  const random = new Seeded(1)
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random.int(0, 255)))
  const nal = (header: number, length: number): Buffer =>
    Buffer.concat([Buffer.from([header]), bytes(length)])
  const picture = [nal(0x67, 20), nal(0x68, 4), nal(0x65, 9000), nal(0x65, 300)]
  const prints = [500, 1100, 1200].map((maxBytes) => printOf(cut(picture, maxBytes)))
  t.is(new Set(prints).size, 1)
  t.true(cut(picture, 500).length > cut(picture, 1200).length)
  for (const [index, original] of picture.entries()) {
    const other = Buffer.from(original)
    other[other.length - 1] = other[other.length - 1]! ^ 1
    t.not(printOf(cut(picture.with(index, other), 1200)), prints[0]!)
  }
  t.not(printOf(cut(picture.slice(0, 3), 1200)), prints[0]!, 'a picture without its last slice')
})
