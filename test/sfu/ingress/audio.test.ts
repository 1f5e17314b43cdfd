import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { opusSamples, readOpusAccessUnit } from '../../../common/opus/opus-access-unit.ts'
import { AacTranscoder } from '../../../sfu/ingress/audio/aac-transcoder.ts'
import { AdtsFramer } from '../../../sfu/ingress/audio/adts-framer.ts'
import { descendants, programOf } from '../../support/processes.ts'
import { until } from '../../support/until.ts'

const logger = createLogger('silent')

async function makeAdts(seconds: number, rate = 48_000): Promise<Buffer> {
  const source = `sine=frequency=440:sample_rate=${rate}`
  const args = [
    '-loglevel',
    'error',
    '-f',
    'lavfi',
    '-i',
    source,
    '-t',
    String(seconds),
    '-c:a',
    'aac',
    '-f',
    'adts',
    '-',
  ]
  const { stdout } = await promisify(execFile)('ffmpeg', args, { encoding: 'buffer', maxBuffer: 1 << 24 })
  return stdout
}

test('an Opus control header with trims, extension and a long size is read', (t) => {
  const unit = { from: 0, to: 0 }
  const body = Buffer.alloc(600, 1)
  const data = Buffer.concat([Buffer.from([0x7f, 0xfc, 255, 255, 90, 0, 1, 0, 2, 2, 9, 9]), body])
  t.true(readOpusAccessUnit(data, 0, data.length, unit))
  t.deepEqual(unit, { from: 12, to: 612 })
  for (let length = 0; length < data.length; length++) t.false(readOpusAccessUnit(data, 0, length, unit))
  t.false(readOpusAccessUnit(Buffer.from([0x7f, 0x1f, 1, 1]), 0, 4, unit))
})

test('the TOC byte tells how long an Opus packet lasts (RFC 6716 table 2)', (t) => {
  const samples = (...bytes: number[]): number => opusSamples(Buffer.from(bytes), 0, bytes.length)
  t.is(samples(0 << 3), 480)
  t.is(samples(3 << 3), 2880)
  t.is(samples(13 << 3), 960)
  t.is(samples(16 << 3), 120)
  t.is(samples(31 << 3), 960)
  t.is(samples((31 << 3) | 1), 1920)
  t.is(samples((31 << 3) | 3, 6), 5760)
  t.is(samples((31 << 3) | 3, 7), 0)
  t.is(samples((31 << 3) | 3), 0)
  t.is(samples(), 0)
})

test('ADTS frames are cut out of any cutting of the bytes, with their PTS', async (t) => {
  const adts = await makeAdts(1)
  for (const size of [1, 6, 100, 4000]) {
    const frames: { length: number; pts: number }[] = []
    const framer = new AdtsFramer({
      frame: (_data, from, to, pts, ticks) => {
        t.is(ticks, 1920)
        frames.push({ length: to - from, pts })
      },
      malformed: () => t.fail(),
    })
    for (let at = 0; at < adts.length; at += size) {
      framer.push(adts, at, Math.min(at + size, adts.length), at === 0 ? 90_000 : -1)
    }
    t.is(
      frames.reduce((sum, { length }) => sum + length, 0),
      adts.length,
    )
    t.true(frames.every(({ pts }, index) => pts === 90_000 + index * 1920))
  }
})

test('bytes that are no ADTS are told, LATM by its name', (t) => {
  const told: boolean[] = []
  const framer = new AdtsFramer({ frame: () => t.fail(), malformed: (latm) => told.push(latm) })
  framer.push(Buffer.from('56e0102030405060708090', 'hex'), 0, 11, 0)
  framer.push(Buffer.alloc(50, 7), 0, 50, 0)
  t.deepEqual(told, [true, false])
})

function framesOf(adts: Buffer) {
  const frames: { data: Buffer; ticks: number; configuration: number }[] = []
  const framer = new AdtsFramer({
    frame: (data, from, to, _pts, ticks, configuration) =>
      frames.push({ data: Buffer.from(data.subarray(from, to)), ticks, configuration }),
    malformed: () => {},
  })
  framer.push(adts, 0, adts.length, 0)
  return frames
}

/** Feeds ADTS in real time from `ptsOf(frame)` and collects what comes back, with when. */
async function transcode(
  transcoder: AacTranscoder,
  adts: Buffer,
  ptsOf: (frame: number) => number,
  giveUpMs = 20_000,
): Promise<{ pts: number; bytes: number; lateMs: number }[]> {
  const got: { pts: number; bytes: number; lateMs: number }[] = []
  const start = performance.now()
  transcoder.onOpus((packet, pts) => {
    got.push({ pts, bytes: packet.length, lateMs: performance.now() - start - (pts - ptsOf(0)) / 90 })
  })
  const frames = framesOf(adts)
  for (const [index, frame] of frames.entries()) {
    const wait = start + (index * frame.ticks) / 90 - performance.now()
    if (wait > 0) await delay(wait)
    transcoder.write(frame.data, ptsOf(index), frame.ticks, frame.configuration)
  }
  // a busy machine may take long to start ffmpeg; it has everything it needs
  const deadline = performance.now() + giveUpMs
  const enough = (frames.length * frames[0]!.ticks) / 1800 - 5
  while (got.length < enough && performance.now() < deadline) await delay(20)
  return got
}

test('AAC becomes Opus with its PTS carried across, and a jump followed', async (t) => {
  using transcoder = new AacTranscoder({ logger, maxLagMs: 60_000 })
  const adts = await makeAdts(2)
  const jumpAt = 50
  const jump = 450_000
  const got = await transcode(
    transcoder,
    adts,
    (frame) => 1_000_000 + frame * 1920 + (frame >= jumpAt ? jump : 0),
  )
  t.true(got.length >= 95, `${got.length} packets`)
  t.is(got[0]!.pts, 1_000_000 - 225)
  const steps = got.slice(1).map(({ pts }, index) => Math.round(pts - got[index]!.pts))
  t.is(steps.filter((step) => step !== 1800).length, 1)
  t.is(
    steps.find((step) => step !== 1800),
    1800 + jump,
  )
  t.true(got.every(({ bytes }) => bytes > 10))
})

test.serial(
  'the transcoder adds little delay: the median packet leaves within one AAC frame and 25 ms',
  async (t) => {
    using transcoder = new AacTranscoder({ logger, maxLagMs: 60_000 })
    const got = await transcode(transcoder, await makeAdts(2), (frame) => frame * 1920)
    const late = got
      .slice(20)
      .map(({ lateMs }) => lateMs)
      .sort((a, b) => a - b)
    const median = late[Math.floor(late.length / 2)]!
    t.log(`median ${median.toFixed(1)} ms from the first sample's due time to the packet of 20 ms`)
    t.true(median < 46)
  },
)

test('a transcoder that was sent to rest says nothing more of what it had, and starts anew', async (t) => {
  using transcoder = new AacTranscoder({ logger, maxLagMs: 60_000 })
  const adts = await makeAdts(1)
  await transcode(transcoder, adts, (frame) => frame * 1920)
  transcoder.rest()
  const got = await transcode(transcoder, adts, (frame) => 9_000_000 + frame * 1920)
  t.true(got.length > 40, `${got.length} packets`)
  t.true(got.every(({ pts }) => pts > 8_000_000))
})

test('a transcoder that cannot run is tried again with back-off and breaks nothing', async (t) => {
  using transcoder = new AacTranscoder({ logger, ffmpeg: '/nonexistent/ffmpeg' })
  const got = await transcode(transcoder, await makeAdts(0.5), (frame) => frame * 1920, 100)
  t.deepEqual(got, [])
})

test.serial('an ffmpeg that was stopped takes no more, and is replaced', async (t) => {
  using transcoder = new AacTranscoder({ logger, maxLagMs: 60_000 })
  const adts = await makeAdts(1)
  await transcode(transcoder, adts, (frame) => frame * 1920)
  const [stopped] = descendants(process.pid).filter((pid) => programOf(pid).includes('ffmpeg'))
  process.kill(stopped!, 'SIGSTOP')
  // More than the pipe and the queue hold.
  const [{ data, ticks, configuration }] = framesOf(adts) as [ReturnType<typeof framesOf>[number]]
  await until(() => {
    for (let count = 0; count < 100; count += 1) transcoder.write(data, 0, ticks, configuration)
    return !descendants(process.pid).includes(stopped!)
  }, 'it is ended')
  transcoder.rest()
  const got = await transcode(transcoder, adts, (frame) => 9_000_000 + frame * 1920)
  t.true(got.length > 40, `${got.length} packets`)
})

test('another sample rate starts the decoder again', async (t) => {
  using transcoder = new AacTranscoder({ logger, maxLagMs: 60_000 })
  t.true((await transcode(transcoder, await makeAdts(1), (frame) => frame * 1920)).length > 40)
  const ticks = (1024 * 90_000) / 44_100
  const got = await transcode(transcoder, await makeAdts(1, 44_100), (frame) => 500_000 + frame * ticks)
  t.true(got.length > 40)
  t.true(Math.abs(got[30]!.pts - (500_000 - 225 + 30 * 1800)) < 20)
})
