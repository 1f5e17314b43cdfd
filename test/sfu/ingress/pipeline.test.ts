import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { readNtpTime } from '../../../common/ntp-time.ts'
import { opusSamples } from '../../../common/opus/opus-access-unit.ts'
import { encodeTemiPacket } from '../../../common/temi.ts'
import { AacTranscoder } from '../../../sfu/ingress/audio/aac-transcoder.ts'
import type { AacToOpus } from '../../../sfu/ingress/pipeline.ts'
import { generateMedia, generateTs, type MediaKind } from '../../support/media-generator.ts'
import { TsWriter } from './mpegts-writer.ts'
import { extensionIds, PipelineHarness, ssrcs } from './pipeline-harness.ts'
import { depacketizeH264, type RtpPacket, toAnnexB } from './rtp-depacketizer.ts'

const run = promisify(execFile)

/** MD5 of every decoded frame, as ffmpeg sees them. */
async function frameHashes(path: string, map: string): Promise<string[]> {
  const args = [
    '-loglevel',
    'error',
    '-xerror',
    '-i',
    path,
    '-map',
    map,
    '-fps_mode',
    'passthrough',
    '-f',
    'framemd5',
    '-',
  ]
  const { stdout, stderr } = await run('ffmpeg', args, { maxBuffer: 1 << 24 })
  if (stderr) throw new Error(stderr)
  return stdout
    .split('\n')
    .flatMap((line) => (line.startsWith('#') || !line ? [] : (line.split(',').at(-1)?.trim() ?? [])))
}

async function decoded(packets: readonly RtpPacket[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-pipeline-'))
  try {
    const path = join(folder, 'out.h264')
    await writeFile(path, toAnnexB(depacketizeH264(packets)))
    return await frameHashes(path, '0:v')
  } finally {
    await rm(folder, { recursive: true })
  }
}

const gaps = (packets: readonly RtpPacket[]): number =>
  packets.slice(1).filter((packet, index) => packet.sequence !== ((packets[index]!.sequence + 1) & 0xffff))
    .length

const timestamps = (packets: readonly RtpPacket[]): number[] => [
  ...new Set(packets.map(({ timestamp }) => timestamp)),
]

const forward = (from: number, to: number): number => (to - from) | 0

for (const kind of [
  'baseline',
  'high',
  'high-slices',
  'pes-length',
  'pts-wrap',
] as const satisfies readonly MediaKind[]) {
  test(`${kind}: every frame comes out as it went in, in order, at the right time`, async (t) => {
    const harness = new PipelineHarness()
    harness.play(await generateTs(kind), 4)
    const video = harness.video()
    t.deepEqual(await decoded(video), await frameHashes(await generateMedia(kind), '0:v'))
    t.is(gaps(video), 0)
    const times = timestamps(video)
    t.is(times.length, 120)
    t.true(times.slice(1).every((time, index) => forward(times[index]!, time) === 3000))
    t.deepEqual([...harness.issues], [])
    t.true(video.every((packet) => packet.bytes <= 1200 && packet.payloadType === 102))
    const audio = harness.audio()
    t.true(audio.length >= 195)
    t.is(gaps(audio), 0)
    t.true(
      audio.slice(1).every((packet, index) => {
        const before = audio[index]!
        return (
          forward(before.timestamp, packet.timestamp) ===
          opusSamples(before.payload, 0, before.payload.length)
        )
      }),
    )
  })
}

test('sound and pictures keep the distance that the sender gave them', async (t) => {
  const harness = new PipelineHarness()
  harness.play(await generateTs('high'), 4)
  const seconds = (timestamp: number, rate: number, offset: number): number =>
    ((timestamp - offset) | 0) / rate
  const picture = seconds(harness.video()[0]!.timestamp, 90_000, 123_456)
  const sound = seconds(harness.audio()[0]!.timestamp, 48_000, Math.round((123_456 * 48) / 90))
  t.true(Math.abs(picture - sound) < 0.1, `${picture} ${sound}`)
})

test('each access unit leaves with the very chunk that completes it', async (t) => {
  for (const kind of ['high', 'pes-length'] as const) {
    const ts = await generateTs(kind)
    const harness = new PipelineHarness()
    let late = 0
    let units = 0
    let open = false
    let seen = 0
    for (let at = 0; at < ts.length; at += 188) {
      const starts = ts.readUInt16BE(at + 1) === 0x4100
      if (starts) {
        if (open && harness.video().filter(({ marker }) => marker).length === seen) late += 1
        units += 1
        open = true
        seen = harness.video().filter(({ marker }) => marker).length
      }
      harness.nowMs += 4000 / (ts.length / 188)
      harness.pipeline.push(ts.subarray(at, at + 188))
    }
    t.is(units, 120)
    // without length, a unit that happens to fill its last packet has to wait for the next
    t.true(kind === 'pes-length' ? late <= 1 : late <= 6, `${late} of ${units} waited`)
  }
})

test('parameter sets are in front of every keyframe, also when the encoder sent them once', async (t) => {
  const harness = new PipelineHarness()
  harness.play(await generateTs('high'), 4)
  const units = depacketizeH264(harness.video())
  const keyframes = units.filter(({ nals }) => nals.some((nal) => (nal[0]! & 0x1f) === 5))
  t.is(keyframes.length, 8)
  for (const { nals } of keyframes)
    t.deepEqual(
      nals.slice(0, 2).map((nal) => nal[0]! & 0x1f),
      [7, 8],
    )
  t.true(units.every(({ nals }) => nals.every((nal) => ![6, 9, 12].includes(nal[0]! & 0x1f))))
})

test('several access units in one PES packet leave as several, one frame apart', async (t) => {
  const single = new PipelineHarness()
  single.play(await generateTs('baseline'), 4)
  const units = depacketizeH264(single.video())
  const writer = new TsWriter()
  const harness = new PipelineHarness()
  const pmt = writer.pmt(0x100, 1, [{ pid: 0x101, streamType: 0x1b }])
  harness.pipeline.push(Buffer.concat([writer.pat([[1, 0x100]]), pmt]))
  for (let first = 0; first < units.length; first += 3) {
    harness.nowMs += 100
    const payload = toAnnexB(units.slice(first, first + 3))
    harness.pipeline.push(writer.pes(0x101, payload, { pts: first * 3000, withLength: true }))
  }
  const received = depacketizeH264(harness.video())
  t.deepEqual(
    received.map(({ nals }) => nals),
    units.map(({ nals }) => nals),
  )
  t.true(received.slice(1).every(({ timestamp }, index) => timestamp - received[index]!.timestamp === 3000))
})

test('two renditions: smallest first, the same timestamps on both', async (t) => {
  const harness = new PipelineHarness()
  harness.play(await generateTs('two-renditions'), 4)
  t.deepEqual(
    harness.programs[0]!.video.map(({ rendition, width }) => [rendition, width]),
    [
      [0, 160],
      [1, 320],
    ],
  )
  const [low, high] = [timestamps(harness.video(0)), timestamps(harness.video(1))]
  t.deepEqual(low, high)
  t.is(low.length, 120)
})

test('sound alone is a program', async (t) => {
  const harness = new PipelineHarness()
  harness.play(await generateTs('audio-only'), 4)
  t.like(harness.programs[0], { video: [], audio: { source: 'opus', channels: 2 } })
  t.true(harness.audio().length > 190)
})

test.serial('AAC leaves as Opus beside the pictures, in step with them', async (t) => {
  using aac = new AacTranscoder({ logger: createLogger('silent'), maxLagMs: 60_000 })
  const start = performance.now()
  const harness = new PipelineHarness({ aac, now: () => 1_800_000_000_000 + performance.now() - start })
  const ts = await generateTs('aac', { seconds: 2 })
  const chunks = Math.ceil(ts.length / 1316)
  for (let chunk = 0; chunk < chunks; chunk++) {
    const wait = start + (chunk / chunks) * 2000 - performance.now()
    if (wait > 2) await setTimeout(wait)
    harness.pipeline.push(ts.subarray(chunk * 1316, chunk * 1316 + 1316))
  }
  // a busy machine may take long to start ffmpeg; it has everything it needs
  const deadline = performance.now() + 20_000
  while (harness.audio().length <= 80 && performance.now() < deadline) await setTimeout(20)
  t.like(harness.programs[0], { audio: { source: 'aac', channels: 2 } })
  const audio = harness.audio()
  t.true(audio.length > 80, `${audio.length}`)
  t.true(audio.slice(1).every((packet, index) => forward(audio[index]!.timestamp, packet.timestamp) === 960))
  const picture = ((harness.video()[0]!.timestamp - 123_456) | 0) / 90_000
  const sound = ((audio[0]!.timestamp - Math.round((123_456 * 48) / 90)) | 0) / 48_000
  t.true(Math.abs(picture - sound) < 0.1, `${picture} ${sound}`)
})

test('a sender that changes from AAC to Opus leaves no transcoder behind', async (t) => {
  let running = false
  const aac: AacToOpus = {
    onOpus: () => {},
    write: () => {
      running = true
    },
    rest: () => {
      running = false
    },
    [Symbol.dispose]: () => {},
  }
  const harness = new PipelineHarness({ aac })
  harness.play(await generateTs('aac', { seconds: 2 }), 2)
  t.true(running)
  harness.play(await generateTs('high'), 4)
  t.like(harness.programs.at(-1), { audio: { source: 'opus' } })
  t.false(running)
  harness.play(await generateTs('aac', { seconds: 2 }), 2)
  t.true(running)
})

test('a lost block is a visible gap, and decoding goes on', async (t) => {
  const harness = new PipelineHarness()
  const ts = await generateTs('high')
  const lost = 1316 * Math.floor(ts.length / 1316 / 2)
  harness.play(Buffer.concat([ts.subarray(0, lost), ts.subarray(lost + 1316)]), 4)
  t.true(gaps(harness.video()) >= 1)
  t.true((harness.issues.get('continuity_error') ?? 0) >= 1)
  const units = depacketizeH264(harness.video())
  t.true(units.length >= 116 && units.length < 120)
})

test('a restarted sender continues the lane: same SSRC, sequence and time move on', async (t) => {
  const harness = new PipelineHarness()
  const ts = await generateTs('high')
  harness.play(ts, 4)
  const before = harness.video().at(-1)!
  const beforeSound = harness.audio().at(-1)!
  harness.nowMs += 1500
  harness.pipeline.reset()
  const count = harness.video().length
  const soundCount = harness.audio().length
  harness.play(ts, 4)
  const after = harness.video()[count]!
  t.is(after.sequence, (before.sequence + 2) & 0xffff, 'the interruption shows as a gap')
  const elapsed = forward(before.timestamp, after.timestamp) / 90
  t.true(elapsed > 1400 && elapsed < 1700, `${elapsed} ms`)
  const soundElapsed = forward(beforeSound.timestamp, harness.audio()[soundCount]!.timestamp) / 48
  t.true(soundElapsed > 1400 && soundElapsed < 1800, `${soundElapsed} ms`)
  t.is(harness.programs.length, 1)
  // and once more without being told: PTS say it themselves
  harness.nowMs += 700
  const third = harness.video().length
  harness.play(ts, 4)
  const times = timestamps(harness.video().slice(third - 1))
  t.true(times.slice(1).every((time, index) => forward(times[index]!, time) > 0))
  t.is(harness.issues.get('pts_reset'), 2)
})

test('a successor process goes on where the cursors say', async (t) => {
  const first = new PipelineHarness()
  const ts = await generateTs('two-renditions')
  first.play(ts, 4)
  const { sequences, clock } = JSON.parse(JSON.stringify(first.pipeline.cursors()))
  const second = new PipelineHarness()
  second.autoAttach = false
  second.nowMs = first.nowMs + 800
  const next = new Map<number, number>(sequences)
  t.is(next.size, 3)
  second.attach(first.programs[0]!, {
    clock,
    video: ssrcs.video.slice(0, 2).map((ssrc) => ({ ssrc, payload_type: 102, sequence: next.get(ssrc)! })),
    audio: { ssrc: ssrcs.audio, payload_type: 111, sequence: next.get(ssrcs.audio)! },
  })
  second.play(ts, 4)
  for (const rendition of [0, 1]) {
    const last = first.video(rendition).at(-1)!
    const resumed = second.video(rendition)[0]!
    t.is(resumed.sequence, (last.sequence + 1) & 0xffff)
    const elapsed = forward(last.timestamp, resumed.timestamp) / 90
    t.true(elapsed > 700 && elapsed < 1000, `${elapsed} ms`)
  }
})

test('attaching late starts with a keyframe, again after detaching, and sequence numbers go on', async (t) => {
  const harness = new PipelineHarness()
  harness.autoAttach = false
  const ts = await generateTs('high')
  const third = Math.floor(ts.length / 3 / 1316) * 1316
  harness.play(ts.subarray(0, third), 1.33)
  t.is(harness.packets.length, 0)
  harness.attach(harness.programs[0]!)
  harness.play(ts.subarray(third, third * 2), 1.33)
  harness.pipeline.detach()
  const count = harness.video().length
  harness.play(ts.subarray(third * 2), 0.1)
  t.is(harness.video().length, count)
  harness.attach(harness.programs[0]!)
  harness.pipeline.reset()
  harness.play(ts, 4)
  t.is(gaps(harness.video()), 0, 'nothing was missing on the lane')
  for (const at of [0, count])
    t.is(harness.video()[at]!.payload[0]! & 0x1f, 24, 'a STAP-A with the parameter sets')
})

test('capture time: from arrival, from TEMI stamps when there are any', async (t) => {
  const ts = await generateTs('high')
  const plain = new PipelineHarness()
  plain.play(ts, 4)
  t.true(plain.captures.every(({ source }) => source === 'arrival'))
  t.true(plain.captures.length >= 7 && plain.captures.length <= 9)

  const stamped = new PipelineHarness()
  const captureUnixMs = stamped.nowMs - 250
  let at = 0
  while (ts.readUInt16BE(at + 1) !== 0x4100) at += 188
  const pes = at + 4 + (ts[at + 3]! & 0x20 ? 1 + ts[at + 4]! : 0)
  const pts =
    ((ts[pes + 9]! >> 1) & 7) * 2 ** 30 +
    ((ts.readUInt16BE(pes + 10) >> 1) << 15) +
    (ts.readUInt16BE(pes + 12) >> 1)
  const stamp = encodeTemiPacket({ pid: 0x100, continuityCounter: 15, pts, captureUnixMs })
  stamped.play(Buffer.concat([ts.subarray(0, at), stamp, ts.subarray(at)]), 4)
  const first = stamped.captures[0]!
  t.is(first.source, 'sender')
  t.is(first.rtp90k, stamped.video()[0]!.timestamp)
  t.true(Math.abs(first.captureUnixMs - captureUnixMs) < 0.01)
  const firsts = stamped.video().filter((packet) => packet.extensions.has(extensionIds.abs_capture_time))
  t.is(firsts.length, 120)
  for (const [frame, packet] of firsts.entries()) {
    const captured = readNtpTime(packet.extensions.get(extensionIds.abs_capture_time)!, 0)
    t.true(Math.abs(captured - captureUnixMs - (frame * 1000) / 30) < 0.1)
  }
})

test('NACKed packets are sent again, PLI becomes a keyframe request', async (t) => {
  const harness = new PipelineHarness()
  harness.play(await generateTs('two-renditions'), 4)
  const missing = harness.video(1).at(-3)!
  const nack = Buffer.alloc(16)
  nack.set([0x81, 205, 0, 3])
  nack.writeUInt32BE(ssrcs.video[1], 8)
  nack.writeUInt16BE(missing.sequence, 12)
  const pli = Buffer.alloc(12)
  pli.set([0x81, 206, 0, 2])
  pli.writeUInt32BE(ssrcs.video[1], 8)
  harness.pipeline.rtcp(Buffer.concat([nack, pli]))
  t.deepEqual(harness.packets.at(-1), missing)
  t.deepEqual(harness.keyframeRequests, [1])
  t.is(harness.pipeline.stats().video[1]!.resent, 1)
})

test('while nothing can leave without a keyframe, one is asked for twice a second', async (t) => {
  const harness = new PipelineHarness()
  const ts = await generateTs('one-keyframe')
  const cut = Math.floor(ts.length / 2 / 188) * 188
  harness.play(ts.subarray(0, cut), 2)
  t.deepEqual(harness.keyframeRequests, [])
  const sent = harness.video().length
  t.true(sent > 0)
  harness.pipeline.detach()
  harness.attach(harness.programs[0]!)
  harness.play(ts.subarray(cut), 2)
  t.is(harness.video().length, sent)
  t.deepEqual(harness.keyframeRequests, [null, null, null, null])
})

test('sender reports put all SSRCs on one line between lane time and wall time', async (t) => {
  const harness = new PipelineHarness()
  harness.play(await generateTs('two-renditions'), 4)
  harness.pipeline.senderReports()
  t.is(harness.rtcp.length, 3)
  const [low, high, sound] = harness.rtcp
  t.is(low!.readUInt32BE(16), high!.readUInt32BE(16))
  const ticks = 123_456 + (harness.nowMs - 1_800_000_000_000) * 90
  t.is(low!.readUInt32BE(16), Math.round(ticks))
  t.is(sound!.readUInt32BE(16), Math.round((ticks * 48) / 90))
  t.is(high!.readUInt32BE(20), harness.video(1).length)
})

test('200 PIDs: the first program plays, the rest is left out and told', async (t) => {
  const harness = new PipelineHarness()
  harness.play(await generateTs('many-pids'), 2)
  t.true(harness.issues.has('too_many_pids'))
  t.is(timestamps(harness.video()).length, 60)
  t.true(harness.pipeline.stats().bufferedBytes < 2_000_000)
})

test('statistics: frames, rates and the distance of keyframes', async (t) => {
  const harness = new PipelineHarness()
  const ts = await generateTs('high')
  const half = Math.floor(ts.length / 2 / 188) * 188
  harness.play(ts.subarray(0, half), 2)
  harness.pipeline.stats()
  harness.play(ts.subarray(half), 2)
  const { video, audio } = harness.pipeline.stats()
  t.true(Math.abs(video[0]!.fps - 30) < 2)
  t.is(video[0]!.gopFrames, 15)
  t.is(Math.round(video[0]!.keyframeGapMs), 500)
  t.true(video[0]!.kbps > 300 && video[0]!.kbps < 2000)
  t.true(audio!.kbps > 40 && audio!.kbps < 120)
  t.is(video[0]!.packets, harness.video().length)
})
