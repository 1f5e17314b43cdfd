import test from 'ava'
import {
  GapRecorder,
  LOOK_BACK_MS,
  type RecordedSegment,
  TAIL_MS,
} from '../../../agent/backlog/gap-recorder.ts'

const PICTURE_MS = 40
/** Capture times of the first picture of a run, Unix ms. */
const BEGIN = 1_764_490_000_000

/** A recorder that is given a picture each 40 ms, and what it saved. */
function rig() {
  const saved: RecordedSegment[] = []
  const recorder = new GapRecorder((segment) => saved.push(segment))
  let now = 0
  const run = (ms: number, bytes = 1880, shiftMs = 0): void => {
    for (const end = now + ms; now < end; now += PICTURE_MS) {
      const picture = Buffer.alloc(bytes)
      picture.writeDoubleBE(BEGIN + now + shiftMs)
      recorder.write(picture, BEGIN + now + shiftMs, now)
    }
  }
  const kept = () => saved.flatMap(({ pieces }) => pieces.map((piece) => piece.readDoubleBE() - BEGIN))
  return { recorder, saved, run, kept, now: () => now }
}

/** As many as are 40 ms apart. */
const every = (from: number, to: number): number[] =>
  Array.from({ length: Math.floor((to - from) / PICTURE_MS) + 1 }, (_, index) => from + index * PICTURE_MS)

test('a stream that gets through is not kept', (t) => {
  const { run, saved } = rig()
  run(60_000)
  t.deepEqual(saved, [])
})

test('a gap is kept from some seconds before the silence until the links answer for a while, each picture once', (t) => {
  const { recorder, run, saved, kept, now } = rig()
  run(10_000)
  recorder.carries(false, now())
  t.true(recorder.isRecording(now()))
  run(6000)
  recorder.carries(true, now())
  run(5000)
  t.false(recorder.isRecording(now()))
  t.deepEqual(kept(), every(10_000 - LOOK_BACK_MS, 16_000 + TAIL_MS))
  t.true(saved.every(({ from, to }) => to >= from && to - from <= 2000))
  for (const [index, { from }] of saved.slice(1).entries()) t.true(from > saved[index]!.to)
})

test('a second gap soon after the first begins where the first has ended', (t) => {
  const { recorder, run, kept, now } = rig()
  run(5000)
  recorder.carries(false, now())
  run(1000)
  recorder.carries(true, now())
  run(TAIL_MS + 2 * PICTURE_MS)
  recorder.carries(false, now())
  run(1000)
  recorder.carries(true, now())
  run(5000)
  const times = kept()
  t.is(new Set(times).size, times.length)
  t.deepEqual(times, every(2000, times.at(-1)!))
})

test('a loss while links answer keeps what was written around it', (t) => {
  const { recorder, run, kept, now } = rig()
  run(10_000)
  recorder.lost(now())
  run(5000)
  t.deepEqual(kept(), every(10_000 - LOOK_BACK_MS, 10_000 + TAIL_MS))
})

test('a loss during a gap does not end the gap', (t) => {
  const { recorder, run, now } = rig()
  recorder.carries(false, now())
  recorder.lost(now())
  run(10_000)
  t.true(recorder.isRecording(now()))
})

test('segments end by size, and where the clock was set', (t) => {
  const { recorder, run, saved, now } = rig()
  recorder.carries(false, now())
  run(400, 150_000)
  t.true(saved.length >= 2)
  t.true(saved.every(({ pieces }) => pieces.reduce((sum, { length }) => sum + length, 0) <= 512 * 1024))
  const before = saved.length
  run(400, 1880, 3_600_000)
  run(400, 1880, 0)
  recorder.close()
  const shifted = saved
    .slice(before)
    .map(({ from, to }) => [from > BEGIN + 3_000_000, to > BEGIN + 3_000_000])
  t.deepEqual(
    shifted.filter(([from, to]) => from !== to),
    [],
  )
  t.true(shifted.some(([from]) => from))
})

test('what was sent last takes 8 MiB at most', (t) => {
  const { recorder, run, kept, now } = rig()
  run(2000, 1_000_000)
  recorder.carries(false, now())
  recorder.close()
  t.is(kept().length, 8)
})
