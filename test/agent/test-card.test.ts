import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import {
  BARCODE,
  type BarcodePlace,
  CLOCK_PLACE,
  MARK_PLACE,
  nameBits,
} from '../../agent/encoder/card-barcode.ts'
import { captureTimeOfWallClockPts, TsStamper } from '../../agent/ts-stamper.ts'
import { createLogger } from '../../common/logger.ts'
import { startCardEncoder } from '../../tools/demo/card-encoder.ts'
import { testCardOptions } from '../../tools/demo/test-card.ts'
import { until } from '../support/until.ts'

const WIDTH = 640
const HEIGHT = 360

/** Runs a program on `input` and gives its standard output. */
async function pipe(program: string, args: readonly string[], input: Buffer): Promise<Buffer> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stdin.on('error', () => {
    // It has read all it wants.
  })
  child.stdin.end(input)
  await once(child, 'close')
  return Buffer.concat(output)
}

/** The 32 bits of a barcode, or undefined where its calibration or checksum is wrong. */
function readBarcode(frame: Buffer, { y, cellHeight }: BarcodePlace): number | undefined {
  const scale = WIDTH / BARCODE.referenceWidth
  const row = Math.round((y + cellHeight / 2) * scale)
  const bits = Array.from({ length: BARCODE.cells }, (_, cell) => {
    const column = Math.round((BARCODE.x + BARCODE.cellWidth * (cell + 0.5)) * scale)
    return frame[row * WIDTH + column]! > 128 ? 1 : 0
  })
  const number = (from: number, to: number): number =>
    bits.slice(from, to).reduce<number>((value, bit) => value * 2 + bit, 0)
  const value = number(2, 34)
  const checksum = ((value >>> 24) ^ (value >>> 16) ^ (value >>> 8) ^ value) & 0xff
  return bits[0] === 1 && bits[1] === 0 && checksum === number(34, 42) ? value : undefined
}

const showsTheClock = test.macro(async (t, choice: 'auto' | 'ffmpeg') => {
  const card = testCardOptions.parse({ name: 'clock', width: WIDTH, height: HEIGHT, videoKbps: 1500 })
  const pieces: Buffer[] = []
  const captures: number[] = []
  const ages: number[] = []
  const stamper = new TsStamper({
    intervalMs: 0,
    captureUnixMs: (pts) => {
      const now = Date.now()
      const capture = captureTimeOfWallClockPts(pts, now)
      captures.push(Math.round(capture) % 2 ** 32)
      ages.push(now - capture)
      return undefined
    },
    onPackets: (packets) => pieces.push(packets),
  })
  const { encoder, kind } = await startCardEncoder({
    card,
    choice,
    logger: createLogger('silent'),
    onData: (chunk) => stamper.push(chunk),
  })
  await using _ = encoder
  t.is(kind, choice === 'auto' ? 'gstreamer' : 'ffmpeg')
  await until(() => captures.length >= 75, 'two and a half seconds of pictures')
  await encoder[Symbol.asyncDispose]()

  const decode = ['-v', 'error', '-i', 'pipe:0', '-map', '0:v:0', '-fps_mode', 'passthrough']
  const raw = await pipe(
    'ffmpeg',
    [...decode, '-f', 'rawvideo', '-pix_fmt', 'gray', 'pipe:1'],
    Buffer.concat(pieces),
  )
  const pictures = Array.from({ length: Math.floor(raw.length / (WIDTH * HEIGHT)) }, (_, index) =>
    raw.subarray(index * WIDTH * HEIGHT, (index + 1) * WIDTH * HEIGHT),
  )
  const frames = pictures.map((picture) => readBarcode(picture, CLOCK_PLACE))
  t.true(frames.length >= 70, `${frames.length} frames`)
  t.deepEqual(frames, captures.slice(0, frames.length))
  if (kind === 'gstreamer') {
    const marks = pictures.map((picture) => readBarcode(picture, MARK_PLACE) ?? -1)
    t.true(marks.every((mark) => Math.floor(mark / 2 ** 16) === nameBits('clock')))
    t.true(
      marks.slice(1).every((mark, index) => mark > marks[index]!),
      'pictures are numbered',
    )
  }

  const sorted = ages.slice(15).toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]!
  t.log(`encoded and multiplexed ${median.toFixed(0)} ms after the clock (median)`)
  t.true(median < 40, `${median} ms`)
})

test(
  'the card shows the wall clock that its timestamps are made of, soon after it: GStreamer',
  showsTheClock,
  'auto',
)
test(
  'the card shows the wall clock that its timestamps are made of, soon after it: ffmpeg',
  showsTheClock,
  'ffmpeg',
)
