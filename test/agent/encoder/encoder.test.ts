import test from 'ava'
import { splitBitrate } from '../../../agent/encoder/bitrate-split.ts'
import type { EncoderConfig } from '../../../agent/encoder/encoder-protocol.ts'
import { GstreamerEncoder } from '../../../agent/encoder/gstreamer-encoder.ts'
import { captureTimeOfWallClockPts } from '../../../agent/ts-stamper.ts'
import { createLogger } from '../../../common/logger.ts'
import { descendants } from '../../support/processes.ts'
import { TsReader } from '../../support/ts-reader.ts'
import { until } from '../../support/until.ts'

const SMALL = 0x100
const LARGE = 0x101
const TARGET_KBPS = 2000

async function startEncoder(picture: EncoderConfig['picture'] = { kind: 'test-card', name: 'encoder' }) {
  const reader = new TsReader()
  const encoder = await GstreamerEncoder.start({
    config: {
      type: 'start',
      picture,
      sound: { source: { kind: 'tone' }, kbps: 64, gain_db: 0 },
      fps: 30,
      renditions: [
        { width: 320, height: 180 },
        { width: 640, height: 360 },
      ],
      pass_through: 'never',
      gop_frames: 3000,
      profile: 'baseline',
      target_kbps: TARGET_KBPS,
    },
    onData: (chunk) => reader.push(chunk),
    logger: createLogger('silent'),
  })
  return { encoder, reader }
}

/** Encoders whose processes are signalled by pid: started one by one, because a process does not name its encoder. */
let killed: Awaited<ReturnType<typeof startWithPid>>
let stopped: Awaited<ReturnType<typeof startWithPid>>
const stack = new AsyncDisposableStack()

async function startWithPid() {
  const before = new Set(descendants(process.pid))
  const started = await startEncoder()
  stack.use(started.encoder)
  const [pid] = descendants(process.pid).filter((one) => !before.has(one))
  return { ...started, pid: pid! }
}

test.before(async () => {
  killed = await startWithPid()
  stopped = await startWithPid()
})
test.after.always(() => stack.disposeAsync())

test('an IDR comes when it is asked for, of the rendition that it is asked of', async (t) => {
  const { encoder, reader } = await startEncoder()
  await using _ = encoder
  await until(() => reader.units(SMALL).length > 10 && reader.units(LARGE).length > 10, 'pictures')
  const [small, large] = reader.keyframes()
  encoder.requestKeyframe(0)
  await until(() => reader.keyframes()[0] === small! + 1, 'an IDR of the small one')
  const asked = reader.units(LARGE).length
  await until(() => reader.units(LARGE).length > asked + 5, 'more pictures of the large one')
  t.deepEqual(reader.keyframes(), [small! + 1, large])
  encoder.requestKeyframe(null)
  await until(() => {
    const [nowSmall, nowLarge] = reader.keyframes()
    return nowSmall === small! + 2 && nowLarge === large! + 1
  }, 'an IDR of both')
})

test('the time from one IDR to the next follows what is asked for, while it encodes', async (t) => {
  const { encoder, reader } = await startEncoder()
  await using _ = encoder
  await until(() => reader.units(SMALL).length > 60, 'two seconds of pictures')
  t.deepEqual(reader.keyframes(), [1, 1])
  encoder.setKeyframeInterval(500)
  const asked = reader.units(SMALL).length
  await until(() => reader.units(SMALL).length > asked + 75, 'pictures with IDRs')
  encoder.setKeyframeInterval(10_000)
  const keyframes = reader.units(SMALL).filter(({ keyframe }) => keyframe)
  const gaps = keyframes.slice(2).map(({ pts }, at) => Math.round((pts - keyframes[at + 1]!.pts) / 90))
  t.true(gaps.length >= 3, String(gaps))
  // A picture more or less: pictures are not drawn at equal distances.
  t.true(
    gaps.every((ms) => ms >= 400 && ms <= 600),
    String(gaps),
  )
  const [before] = reader.keyframes()
  const slowed = reader.units(SMALL).length
  await until(() => reader.units(SMALL).length > slowed + 45, 'more pictures')
  t.true(reader.keyframes()[0]! <= before! + 1)
})

test('what nobody wants stops, what is wanted again begins with an IDR, sound goes its own way', async (t) => {
  const { encoder, reader } = await startEncoder()
  await using _ = encoder
  await until(() => reader.units(LARGE).length > 5 && reader.opus > 5, 'pictures and sound')
  encoder.setDemand({ video: [true], audio: false })
  const before = reader.units(SMALL).length
  await until(() => reader.units(SMALL).length > before + 10, 'the small one goes on')
  const stopped = { large: reader.units(LARGE).length, opus: reader.opus }
  await until(() => reader.units(SMALL).length > before + 30, 'for another while')
  t.deepEqual({ large: reader.units(LARGE).length, opus: reader.opus }, stopped)
  encoder.setDemand({ video: [true, true], audio: true })
  await until(() => reader.units(LARGE).length > stopped.large, 'the large one is back')
  t.true(reader.units(LARGE)[stopped.large]!.keyframe)
  await until(() => reader.opus > stopped.opus, 'sound is back')
})

test('the bitrate falls while it encodes, and stays in the budget', async (t) => {
  const { encoder, reader } = await startEncoder()
  await using _ = encoder
  // By media time, which no busy machine distorts.
  const kbpsOfNext = async (pictures: number): Promise<number> => {
    const from = reader.units(LARGE).length
    await until(() => reader.units(LARGE).length > from + pictures, 'pictures', 20_000)
    return reader.kbps(from)
  }
  await kbpsOfNext(30)
  const high = await kbpsOfNext(60)
  encoder.setTarget(TARGET_KBPS / 4)
  await kbpsOfNext(30)
  const low = await kbpsOfNext(60)
  t.true(high <= TARGET_KBPS * 1.1 && high > TARGET_KBPS * 0.6, `${high} kb/s of ${TARGET_KBPS}`)
  t.true(low <= (TARGET_KBPS / 4) * 1.2, `${low} kb/s of ${TARGET_KBPS / 4}`)
})

test('an encoder process that is killed is replaced, and goes on as it was told', async (t) => {
  const { encoder, reader, pid } = killed
  encoder.setDemand({ video: [true, false], audio: true })
  await until(() => reader.units(SMALL).length > 5, 'pictures')
  process.kill(pid, 'SIGKILL')
  const before = reader.units(SMALL).length
  await until(() => reader.units(SMALL).length > before + 20, 'pictures of the successor')
  const large = reader.units(LARGE).length
  const small = reader.units(SMALL).length
  await until(() => reader.units(SMALL).length > small + 20, 'more of them')
  t.is(reader.units(LARGE).length, large)
})

test('an encoder process that was stopped is replaced', async (t) => {
  const { reader, pid } = stopped
  await until(() => reader.units(SMALL).length > 5, 'pictures')
  process.kill(pid, 'SIGSTOP')
  const stoppedAt = performance.now()
  await until(() => !descendants(process.pid).includes(pid), 'it is ended')
  t.log(`ended after ${Math.round(performance.now() - stoppedAt)} ms`)
  const before = reader.units(SMALL).length
  await until(() => reader.units(SMALL).length > before + 20, 'pictures of the successor')
  t.pass()
})

test('a source in the words of GStreamer is stamped with the time of capture', async (t) => {
  const { encoder, reader } = await startEncoder({
    kind: 'words',
    words: 'videotestsrc is-live=true ! video/x-raw,width=800,height=600',
  })
  await using _ = encoder
  await until(() => reader.units(LARGE).length > 30, 'pictures')
  const now = Date.now()
  const capturedAt = captureTimeOfWallClockPts(reader.units(LARGE).at(-1)!.pts, now)
  t.true(now - capturedAt >= 0 && now - capturedAt < 1000, `${now - capturedAt} ms ago`)
  t.is(reader.keyframes().length, 2)
})

test('an encoder whose source is missing says why, and looks for it again', async (t) => {
  const { encoder } = await startEncoder({ kind: 'words', words: 'nosuchelement' })
  await using _ = encoder
  await until(() => encoder.state.input === 'no_input', 'no input')
  t.regex(encoder.state.reason!, /nosuchelement/)
  t.is(encoder.state.restarts, 0)
})

test('a budget is split by pixels, and never to less than a picture needs', (t) => {
  t.deepEqual(splitBitrate(2000, 64, [1, 4]), [355, 1423])
  t.deepEqual(splitBitrate(2000, 64, [1]), [1806])
  t.deepEqual(splitBitrate(2000, 0, [1]), [1896])
  t.deepEqual(splitBitrate(50, 64, [1, 4]), [100, 100])
})
