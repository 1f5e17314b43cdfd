import test from 'ava'
import { generateTs, type MediaKind } from '../../support/media-generator.ts'
import { PipelineHarness } from './pipeline-harness.ts'

/** Pushes a kind of input and gives back the moment, in ms of media, of the first refusal. */
async function refusedAfter(harness: PipelineHarness, kind: MediaKind): Promise<number> {
  const ts = await generateTs(kind)
  const start = harness.nowMs
  for (let at = 0; at < ts.length && harness.refusals.length === 0; at += 1316) {
    harness.nowMs = start + (at / ts.length) * 4000
    harness.pipeline.push(ts.subarray(at, at + 1316))
  }
  return harness.nowMs - start
}

for (const [kind, code, hint] of [
  ['bframes', 'b_frames', 'bframes=0'],
  ['hevc', 'unsupported_video', 'H.264'],
  ['mpeg2', 'unsupported_video', 'MPEG-2'],
  ['interlaced', 'interlaced', 'progressive'],
  ['yuv444', 'unsupported_format', 'yuv420p'],
] as const) {
  test(`${kind} is refused within 2 s, says what to change, and sends nothing`, async (t) => {
    const harness = new PipelineHarness()
    harness.attach({ video: [0], audio: { pid: 0, source: 'opus', channels: 2 } })
    t.true((await refusedAfter(harness, kind)) <= 2000)
    harness.play(await generateTs(kind), 4)
    t.deepEqual(
      harness.refusals.map((refusal) => refusal.code),
      [code],
    )
    t.true(harness.refusals[0]!.message.includes(hint))
    t.deepEqual(harness.programs, [])
    t.deepEqual(harness.packets, [])
  })
}

test('a stream joined after its only keyframe is refused at 2 s and heals with the next keyframe', async (t) => {
  const harness = new PipelineHarness()
  const ts = await generateTs('one-keyframe')
  const start = harness.nowMs
  harness.play(ts.subarray(Math.floor(ts.length / 8 / 188) * 188), 3.5)
  t.deepEqual(
    harness.refusals.map(({ code }) => code),
    ['no_keyframe'],
  )
  t.deepEqual(harness.packets, [])
  t.true(harness.nowMs - start > 2000)
  harness.play(ts, 4)
  t.deepEqual(
    harness.reported.map(({ what }) => what),
    ['refused', 'recovered', 'program'],
  )
  t.true(harness.video().length > 100)
})

test('a long GOP goes on playing; keyframes that never come again do not', async (t) => {
  const ts = await generateTs('intra-refresh', { seconds: 12 })
  const patient = new PipelineHarness()
  patient.play(ts, 12)
  t.deepEqual(
    patient.reported.map(({ what }) => what),
    ['program'],
  )
  const strict = new PipelineHarness({ limits: { maxKeyframeGapMs: 5000 } })
  strict.play(ts, 12)
  t.deepEqual(
    strict.reported.map(({ what }) => what),
    ['program', 'refused'],
  )
  t.is(strict.refusals[0]!.code, 'no_keyframe')
})

test('B-frames that come later end the stream then; without them it recovers', async (t) => {
  const harness = new PipelineHarness()
  const good = await generateTs('high')
  const bad = await generateTs('bframes')
  harness.play(good, 4)
  const before = harness.video().length
  t.true(before > 100)
  harness.pipeline.reset()
  harness.play(bad, 4)
  t.deepEqual(
    harness.refusals.map(({ code }) => code),
    ['b_frames'],
  )
  const sent = harness.video().length - before
  t.is(sent, 0, 'an encoder that says it may reorder proves first that it does not')
  harness.pipeline.reset()
  harness.play(good, 4)
  t.deepEqual(
    harness.reported.map(({ what }) => what),
    ['program', 'refused', 'recovered'],
  )
  t.true(harness.video().length > before + 100)
})

test('data without any video or sound is refused as that, until there is some', async (t) => {
  const harness = new PipelineHarness()
  for (let step = 0; step < 50; step++) {
    harness.nowMs += 50
    harness.pipeline.push(Buffer.alloc(1316, step))
  }
  t.deepEqual(
    harness.refusals.map(({ code }) => code),
    ['no_media'],
  )
  harness.play(await generateTs('high'), 4)
  t.deepEqual(
    harness.reported.map(({ what }) => what),
    ['refused', 'recovered', 'program'],
  )
  t.true(harness.video().length > 100)
})

test('a stream of a picture in four seconds, met behind its tables, is no stream without media', async (t) => {
  const ts = await generateTs('baseline', { seconds: 16, fps: 0.25, gop: 1 })
  const packets = Array.from({ length: ts.length / 188 }, (_, index) =>
    ts.subarray(index * 188, index * 188 + 188),
  )
  const pid = (packet: Buffer): number => packet.readUInt16BE(1) & 0x1fff
  const tables = [0, 0x1000].map((table) => packets.find((packet) => pid(packet) === table)!)
  const harness = new PipelineHarness()
  let pictures = 0
  for (const packet of packets.filter((each) => pid(each) === 0x100)) {
    if ((packet[1]! & 0x40) !== 0) {
      harness.nowMs += 4000
      pictures += 1
      if (pictures > 1) for (const table of tables) harness.pipeline.push(table)
    } else harness.nowMs += pictures === 1 ? 100 : 1
    harness.pipeline.push(packet)
  }
  t.deepEqual(harness.refusals, [])
  t.is(harness.programs.length, 1)
  t.true(harness.video().length > 0)
})

test('pictures that are announced and do not come leave the sound to play, until they come', async (t) => {
  const harness = new PipelineHarness()
  const ts = Buffer.from(await generateTs('high'))
  const silent = Buffer.from(ts)
  for (let at = 0; at < silent.length; at += 188) {
    if ((silent.readUInt16BE(at + 1) & 0x1fff) === 0x100) silent.writeUInt16BE(0x1fff, at + 1)
  }
  harness.play(silent, 4)
  t.is(harness.issues.get('video_missing'), 1)
  t.deepEqual(harness.programs.at(-1)?.video, [])
  t.true(harness.audio().length > 50)
  harness.pipeline.reset()
  harness.play(ts, 4)
  t.is(harness.programs.at(-1)?.video.length, 1)
  t.true(harness.video().length > 100)
})

test('sound that cannot be forwarded is left out with its reason, the pictures go on', async (t) => {
  for (const [kind, code] of [
    ['mp2', 'audio_unsupported'],
    ['aac-latm', 'audio_latm'],
    ['aac', 'audio_unsupported'],
  ] as const) {
    const harness = new PipelineHarness()
    harness.play(await generateTs(kind), 4)
    t.is(harness.programs[0]!.audio, null)
    t.is(harness.programs[0]!.audioRefusal?.code, code)
    t.deepEqual(harness.refusals, [])
    t.is(harness.issues.get('audio_unsupported'), 1)
    t.true(harness.video().length > 100)
  }
})

test('where packets are lost and no keyframe came whole, the loss is named, not the interval of keyframes', async (t) => {
  const harness = new PipelineHarness()
  const ts = await generateTs('high')
  const arriving: Buffer[] = []
  let keyframe = false
  for (let at = 0; at < ts.length; at += 188) {
    const packet = ts.subarray(at, at + 188)
    const video = (packet.readUInt16BE(1) & 0x1fff) === 0x100
    // Of each keyframe the second packet is lost.
    if (!(video && keyframe)) arriving.push(packet)
    if (video) keyframe = (packet[1]! & 0x40) !== 0 && (packet[3]! & 0x20) !== 0 && (packet[5]! & 0x40) !== 0
  }
  harness.play(Buffer.concat(arriving), 4)
  t.is(harness.refusals[0]?.code, 'keyframes_lost')
  t.regex(harness.refusals[0]?.message ?? '', /Packets are lost.*bitrate/)
  harness.play(ts, 4)
  t.is(harness.reported.at(-1)?.what, 'program')
})

/** Packets of a PID as a broadcaster's conditional access leaves them. */
function scramble(ts: Buffer, pids: readonly number[], every = 1): Buffer {
  const scrambled = Buffer.from(ts)
  let packets = 0
  for (let at = 0; at < scrambled.length; at += 188) {
    if (!pids.includes(scrambled.readUInt16BE(at + 1) & 0x1fff)) continue
    if (packets++ % every === every - 1) scrambled[at + 3]! |= 0x80
  }
  return scrambled
}

for (const [what, pids] of [
  ['pictures and sound', [0x100, 0x101]],
  ['pictures', [0x100]],
] as const) {
  test(`scrambled ${what} are refused as that, until they come in clear`, async (t) => {
    const harness = new PipelineHarness()
    const ts = await generateTs('high')
    harness.play(scramble(ts, pids), 4)
    t.deepEqual(
      harness.refusals.map(({ code }) => code),
      ['scrambled'],
    )
    t.deepEqual(harness.programs, [])
    harness.pipeline.reset()
    harness.play(ts, 4)
    t.deepEqual(
      harness.reported.map(({ what }) => what),
      ['refused', 'recovered', 'program'],
    )
    t.true(harness.video().length > 100)
  })
}

test('a picture of which a part is scrambled is a visible gap', async (t) => {
  const harness = new PipelineHarness()
  harness.play(scramble(await generateTs('high'), [0x100], 60), 4)
  const { arrived, leftOut } = harness.pipeline.pictures
  t.true(leftOut > 5)
  t.true(arrived > 60)
  const video = harness.video()
  const gaps = video.filter(({ sequence }, index) => {
    const before = video[index - 1]
    return before !== undefined && ((sequence - before.sequence) & 0xffff) !== 1
  })
  t.true(gaps.length > 5)
})

test('pictures come back when the sender changes to another codec and back', async (t) => {
  const harness = new PipelineHarness()
  const good = await generateTs('high')
  harness.play(good, 4)
  const before = harness.video().length
  harness.play(await generateTs('hevc'), 4)
  t.is(harness.refusals.at(-1)?.code, 'unsupported_video')
  t.is(harness.video().length, before)
  harness.play(good, 4)
  t.deepEqual(
    harness.reported.map(({ what }) => what),
    ['program', 'refused', 'recovered'],
  )
  t.true(harness.video().length > before + 100)
})
