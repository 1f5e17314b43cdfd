import test from 'ava'
import { clearNals, closeNal, createNalIndex, scanNals } from '../../common/h264/annex-b.ts'
import { H264Packetizer } from '../../common/rtp/h264-packetizer.ts'
import { HeaderExtensions } from '../../common/rtp/header-extensions.ts'
import { RtpOutput } from '../../common/rtp/rtp-output.ts'
import { IngestPipeline } from '../../sfu/ingress/pipeline.ts'
import { TsWriter } from '../sfu/ingress/mpegts-writer.ts'
import { PipelineHarness } from '../sfu/ingress/pipeline-harness.ts'
import { depacketizeH264, parseRtp, type RtpPacket } from '../sfu/ingress/rtp-depacketizer.ts'
import { generateTs } from '../support/media-generator.ts'
import { cutPes, PES_CUTS } from '../support/pes-cutter.ts'
import { mutations, SeededRandom } from './seeded-random.ts'

/** A NAL unit of a type, without start codes inside and without a zero at its end. */
function randomNal(random: SeededRandom, type: number, length: number): Buffer {
  const nal = random.bytes(length)
  for (let at = 0; at < length; at++) if (nal[at]! < 4) nal[at] = 4
  nal[0] = (random.below(4) << 5) | type
  return nal
}

/** A slice of the picture `unit`: its header is what the picture's other slices have, but for where it begins. */
function randomSlice(
  random: SeededRandom,
  idr: boolean,
  importance: number,
  index: number,
  unit: number,
): Buffer {
  const nal = randomNal(random, idr ? 5 : 1, 20 + random.below(4000))
  nal[0] = (importance << 5) | (idr ? 5 : 1)
  const frame = (idr ? 0 : unit % 10).toString(2).padStart(4, '0')
  // first_mb_in_slice, slice_type P or I, pps 0, frame_num, idr_pic_id; then ones, so that no start code comes about
  const bits = `${ue(index)}${idr ? ue(7) : ue(0)}${ue(0)}${frame}${idr ? ue((unit / 10) % 2) : ''}`.padEnd(
    40,
    '1',
  )
  for (let at = 0; at < 5; at++) nal[1 + at] = Number.parseInt(bits.slice(at * 8, at * 8 + 8), 2)
  return nal
}

/** ue(v), ITU-T H.264 section 9.1. */
function ue(value: number): string {
  const bits = (value + 1).toString(2)
  return `${'0'.repeat(bits.length - 1)}${bits}`
}

test('any NAL units packetized and depacketized are the same NAL units', (t) => {
  const random = new SeededRandom('nal units')
  const sent: RtpPacket[] = []
  const output = new RtpOutput({
    ssrc: 1,
    payloadType: 102,
    sequence: 0,
    maxPacketBytes: 1200,
    keep: 64,
    send: (packet) => sent.push(parseRtp(packet)),
  })
  const extensions = new HeaderExtensions({ playout_delay: 6, abs_capture_time: 13 }, { min: 0, max: 100 })
  const packetizer = new H264Packetizer()
  for (let unit = 0; unit < 400; unit++) {
    sent.length = 0
    packetizer.clear()
    const nals = Array.from({ length: 1 + random.below(12) }, () => {
      const length = [
        1 + random.below(60),
        1 + random.below(1300),
        1100 + random.below(120),
        1 + random.below(9000),
      ]
      return randomNal(random, 1 + random.below(23), length[random.below(4)]!)
    })
    for (const nal of nals) packetizer.add(nal, 0, nal.length)
    packetizer.send(output, unit * 3000, extensions)
    t.deepEqual(depacketizeH264(sent)[0]!.nals, nals)
    if (sent.some(({ bytes }) => bytes > 1200)) t.fail('a packet is too large')
  }
})

for (const cut of ['one packet each', 'cut at any byte'] as const) {
  test(`access units written into a transport stream, ${cut}, come out as the same NAL units`, (t) => {
    const random = new SeededRandom(`access units ${cut}`)
    const writer = new TsWriter()
    const harness = new PipelineHarness()
    const sps = Buffer.from('6742c01eda0280f684000003000400000300f03c58ba80', 'hex')
    const pps = Buffer.from('68ce3c80', 'hex')
    harness.pipeline.push(
      Buffer.concat([writer.pat([[1, 0x100]]), writer.pmt(0x100, 1, [{ pid: 0x101, streamType: 0x1b }])]),
    )
    const expected: Buffer[][] = []
    for (let unit = 0; unit < 300; unit++) {
      const idr = unit % 10 === 0
      const importance = 1 + random.below(3)
      const slices = Array.from({ length: 1 + random.below(4) }, (_, index) =>
        randomSlice(random, idr, importance, index, unit),
      )
      const delimiter = Buffer.from([9, 0xf0])
      const sei = Buffer.from([6, 5, 1, 7, 0x80])
      const all = [delimiter, ...(idr ? [sps, pps] : []), sei, ...slices]
      const code = Buffer.from(random.below(2) ? [0, 0, 1] : [0, 0, 0, 1])
      const payload = Buffer.concat(all.flatMap((nal) => [code, nal]))
      harness.nowMs += 1000 / 30
      const withLength = payload.length < 60_000 && random.below(2) === 0
      const cuts =
        cut === 'one packet each'
          ? []
          : Array.from({ length: random.below(6) }, () => random.below(payload.length))
      const edges = [0, ...cuts.toSorted((first, second) => first - second), payload.length]
      edges.slice(1).forEach((end, part) => {
        const pts = part === 0 ? { pts: unit * 3000 } : {}
        harness.pipeline.push(writer.pes(0x101, payload.subarray(edges[part], end), { ...pts, withLength }))
      })
      expected.push(idr ? [sps, pps, ...slices] : slices)
    }
    const units = depacketizeH264(harness.video())
    t.true(units.length >= expected.length - 1)
    t.deepEqual(
      units.map(({ nals }) => nals),
      expected.slice(0, units.length),
    )
    t.deepEqual([...harness.issues], [])
  })
}

test('indexing random bytes keeps within them', (t) => {
  const random = new SeededRandom('annex b')
  const index = createNalIndex()
  for (let round = 0; round < 2000; round++) {
    const data = random.bytes(1 + random.below(200))
    for (let at = 0; at < data.length; at++) if (random.below(3) > 0) data[at] = random.below(2)
    clearNals(index, 0)
    for (let to = 0; to < data.length; ) {
      to = Math.min(data.length, to + 1 + random.below(60))
      scanNals(data, to, index)
    }
    closeNal(data, data.length, index)
    for (let nal = 0; nal < index.count; nal++) {
      const [from, to] = [index.starts[nal]!, index.ends[nal]!]
      if (from < 3 || to <= from || to > data.length) t.fail(`round ${round}`)
    }
  }
  t.pass()
})

for (const [name, mutate] of mutations) {
  test(`${name}: the pipeline neither throws nor grows, sends only whole packets, and recovers`, async (t) => {
    const good = await generateTs('high', { seconds: 1 })
    const sliced = await generateTs('high-slices', { seconds: 1 })
    const inputs = [good, ...PES_CUTS.map((cut) => cutPes(sliced, cut))]
    const random = new SeededRandom(`pipeline ${name}`)
    let nowMs = 0
    let packets = 0
    let bad = 0
    const pipeline: IngestPipeline = new IngestPipeline({
      aac: null,
      now: () => nowMs,
      sink: {
        rtp: (packet) => {
          packets += 1
          if (packet.length < 13 || packet.length > 1400 || packet[0]! >> 6 !== 2) bad += 1
        },
        program: (program) => {
          pipeline.attach({
            video: program.video.map((_, index) => ({ ssrc: 1 + index, payload_type: 102, sequence: 0 })),
            audio: { ssrc: 9, payload_type: 111, sequence: 0 },
            extension_ids: { playout_delay: 6, abs_capture_time: 13 },
            playout_delay_ms: { min: 0, max: 0 },
            clock: { epochMs: 0, offset90k: 0, last90k: 0 },
            cname: 'fuzz',
          })
        },
        refused: () => {},
        recovered: () => {},
        capture: () => {},
        issue: () => {},
        keyframeRequest: () => {},
      },
    })
    pipeline.push(good)
    for (let round = 0; round < 30; round++) {
      const bytes = mutate(inputs[round % inputs.length]!, random)
      if (round % 7 === 0) pipeline.tick()
      for (let at = 0; at < bytes.length; at += 1316) {
        nowMs += 5
        pipeline.push(bytes.subarray(at, at + 1316))
      }
      pipeline.rtcp(random.bytes(random.below(100)))
      pipeline.senderReports()
      const { bufferedBytes } = pipeline.stats()
      if (bufferedBytes > 4 * 4 * 1024 * 1024 + 4_000_000) t.fail(`${bufferedBytes} bytes buffered`)
    }
    t.is(bad, 0)
    pipeline.reset()
    const before = packets
    for (let second = 0; second < 5; second++) {
      nowMs += 1000
      pipeline.push(good)
    }
    t.true(packets - before > 200, `${packets - before} packets of five good seconds`)
  })
}
