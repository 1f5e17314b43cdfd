import test from 'ava'
import { TsMuxer } from '../../agent/encoder/ts-muxer.ts'
import { Demuxer } from '../../common/mpegts/demuxer.ts'
import { elementaryCodec } from '../../common/mpegts/elementary-codec.ts'
import { readOpusAccessUnit } from '../../common/opus/opus-access-unit.ts'

const NOW = 1_800_000_000_123
const ns = (unixMs: number): bigint => BigInt(unixMs) * 1_000_000n

function demux(ts: readonly Buffer[]) {
  const units: { pid: number; data: Buffer; pts: number }[] = []
  const codecs: unknown[] = []
  const issues: string[] = []
  const demuxer: Demuxer = new Demuxer(
    {
      program: (streams) => {
        codecs.push(...streams.map(elementaryCodec))
        demuxer.select(streams.map(({ pid }) => ({ pid, maxBytes: 1_000_000 })))
      },
      unit: (pid, data, from, to, pts) =>
        units.push({ pid, data: Buffer.from(data.subarray(from, to)), pts }),
      lost: () => issues.push('lost'),
      temi: () => {},
      issue: (kind) => issues.push(kind),
    },
    { maxStreams: 8, maxPids: 16 },
  )
  for (const part of ts) demuxer.push(part)
  return { units, codecs, issues }
}

test('access units of any length arrive whole, at once, in their own streams', (t) => {
  const muxer = new TsMuxer({ renditions: 2, audioChannels: 2 })
  const lengths = [1, 150, 169, 170, 171, 172, 184, 353, 354, 355, 65_000, 65_527, 65_528, 200_001]
  const sent = lengths.map((length, index) => Buffer.alloc(length, index + 1))
  const ts = sent.map((data, index) => muxer.video(index % 2, data, ns(NOW + index), NOW + index * 33))
  // What has no length and fills its last packet is known to be over when the next one begins.
  ts.push(
    muxer.video(0, Buffer.from([1]), ns(NOW + 900), NOW + 900),
    muxer.video(1, Buffer.from([1]), ns(NOW + 901), NOW + 901),
  )
  const { units, codecs, issues } = demux(ts)
  t.deepEqual(codecs, [
    { media: 'video', codec: 'h264' },
    { media: 'video', codec: 'h264' },
    { media: 'audio', codec: 'opus', channels: 2 },
  ])
  t.deepEqual(issues, [])
  const numbered = units.slice(0, lengths.length).sort((a, b) => a.pts - b.pts)
  t.deepEqual(
    numbered.map(({ pid, data, pts }) => ({ pid, length: data.length, pts })),
    lengths.map((length, index) => ({
      pid: 0x100 + (index % 2),
      length,
      pts: ((NOW + index) * 90) % 2 ** 33,
    })),
  )
  t.true(numbered.every(({ data }, index) => data.equals(sent[index]!)))
  t.true(ts.every((part) => part.length % 188 === 0))
})

test('Opus packets are framed so that they come out again, those of 255 bytes too', (t) => {
  const muxer = new TsMuxer({ renditions: 1, audioChannels: 1 })
  const lengths = [1, 3, 254, 255, 256, 510, 1275]
  const { units } = demux(lengths.map((length) => muxer.audio(Buffer.alloc(length, length), ns(NOW), NOW)))
  const opus = units.map(({ data }) => {
    const into = { from: 0, to: 0 }
    return readOpusAccessUnit(data, 0, data.length, into) ? data.subarray(into.from, into.to).length : -1
  })
  t.deepEqual(opus, lengths)
})

test('tables and clock go on while nothing is sent, the clock behind the pictures', (t) => {
  const muxer = new TsMuxer({ renditions: 1, audioChannels: null })
  const clocks: number[] = []
  let tables = 0
  for (let ms = 0; ms < 1000; ms += 20) {
    const ts = muxer.idle(NOW + ms)
    for (let at = 0; at < ts.length; at += 188) {
      const pcr = readPcr(ts.subarray(at, at + 188))
      if (pcr === undefined) tables += 1
      else clocks.push(pcr)
    }
  }
  t.is(tables, 10)
  t.is(clocks.length, 13)
  t.is(clocks[0], ((NOW - 300) * 90) % 2 ** 33)
  t.is(clocks[1]! - clocks[0]!, 80 * 90)
})

/** The clock of a TS packet in ticks of 90 kHz, where it has one (ISO/IEC 13818-1 section 2.4.3.5). */
function readPcr(packet: Buffer): number | undefined {
  const hasAdaptation = (packet[3]! & 0x20) !== 0
  if (!hasAdaptation || packet[4] === 0 || (packet[5]! & 0x10) === 0) return undefined
  return packet.readUInt32BE(6) * 2 + (packet[10]! >> 7)
}
