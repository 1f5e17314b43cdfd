import test from 'ava'
import { LaneLine } from '../../../sfu/switch/lane-line.ts'
import { SwitchedTrack } from '../../../sfu/switch/switched-track.ts'
import { Seeded } from '../../policy/seeded.ts'

const clock = { epochMs: 1_000_000, offset90k: 2 ** 32 - 90_000, last90k: 0 }
const ROUNDS = 300

/** An input: its own clock, frame rate and numbers. */
function someInput(random: Seeded) {
  const frameMs = [20, 1000 / 30, 40, 1000 / 24][random.int(0, 3)]!
  const offset90k = random.int(0, 2 ** 31)
  const epochMs = 900_000 + random.int(0, 90_000)
  return {
    frameMs,
    clock: { epochMs, offset90k, last90k: 0 },
    sequence: random.int(0, 0xffff),
    /** The media's time at a moment: late by its path. */
    delayMs: random.int(0, 400),
    timestamp(ms: number) {
      return Math.round(offset90k + (ms - epochMs) * 90) >>> 0
    },
    sample(ms: number) {
      return Math.round(((offset90k + (ms - epochMs) * 90) * 48) / 90) >>> 0
    },
  }
}

test('any row of inputs gives numbers and timestamps that go on, at the pace of the wall clock', (t) => {
  const random = new Seeded(14_100)
  for (let round = 0; round < ROUNDS; round++) {
    const line = new LaneLine(clock)
    const track = new SwitchedTrack(random.int(0, 0xffff))
    let now = 1_000_000 + random.int(0, 100_000)
    let before: { sequence: number; timestamp: number; now: number } | null = null
    for (let stretch = 0; stretch < 6; stretch++) {
      const input = someInput(random)
      const frames = random.int(1, 50)
      let joined = false
      for (let frame = 0; frame < frames; frame++) {
        now += input.frameMs
        const timestamp = input.timestamp(now - input.delayMs)
        if (!joined) track.join(input.sequence, line.join(timestamp, now, input.clock).video)
        joined = true
        for (const marker of [false, true]) {
          t.true(track.place(input.sequence, timestamp, marker))
          if (before) {
            t.is((track.sequence - before.sequence) & 0xffff, 1)
            const step = (track.timestamp - before.timestamp) | 0
            t.true(marker || step > 0, `step ${step}`)
            // No jump in the delay that a receiver sees, beyond the least step of two pictures.
            t.true(
              Math.abs(step / 90 - (now - before.now)) < 34,
              `step ${step / 90} ms in ${now - before.now} ms`,
            )
          }
          before = { sequence: track.sequence, timestamp: track.timestamp, now }
          input.sequence = (input.sequence + 1) & 0xffff
        }
        line.leftRtp(track.timestamp, now)
      }
      now += random.int(0, 3000)
    }
  }
})

test('sound keeps its distance to the pictures, whatever the clock of the input', (t) => {
  const random = new Seeded(14_101)
  for (let round = 0; round < ROUNDS; round++) {
    const line = new LaneLine(clock)
    const input = someInput(random)
    const now = 1_000_000 + random.int(0, 1_000_000)
    const at = now - input.delayMs
    const join = line.join(input.timestamp(at), now, input.clock)
    const later = at + random.int(0, 100_000)
    const picture = (input.timestamp(later) + join.video) >>> 0
    const sound = (input.sample(later) + join.audio) >>> 0
    // Both clocks are the lane's ticks; a sample's low 32 bits need the picture's turn of 2^32.
    const ticks = line.ticksAt(now) + (((picture - Math.round(line.ticksAt(now))) | 0) >>> 0)
    const expected = Math.round((ticks * 48) / 90) >>> 0
    t.true(Math.abs((sound - expected) | 0) <= 2, `${sound} and ${expected}`)
  }
})

test('a picture that was left unfinished leaves a hole; what is late from before the join is dropped', (t) => {
  const track = new SwitchedTrack(100)
  track.join(5000, 0)
  t.true(track.place(5000, 10, false))
  t.is(track.sequence, 100)
  track.join(60_000, 0)
  t.true(track.place(60_000, 20, true))
  t.is(track.sequence, 102)
  t.false(track.place(59_999, 20, true))
  track.join(7, 0)
  t.true(track.place(7, 30, true))
  t.is(track.sequence, 103, 'a whole picture leaves none')
})

test('a loss of the input stays a loss, and its late repair comes to its place', (t) => {
  const track = new SwitchedTrack(0)
  track.join(10, 0)
  const placed = [10, 11, 13, 12, 14].map((sequence) => {
    t.true(track.place(sequence, sequence, true))
    return track.sequence
  })
  t.deepEqual(placed, [0, 1, 3, 2, 4])
  t.is(track.next, 5)
})

test('a successor goes on behind the sound that has left, which may be ahead of the pictures', (t) => {
  const random = new Seeded(14_102)
  for (let round = 0; round < ROUNDS; round++) {
    const line = new LaneLine(clock)
    t.is(line.lastSample, null)
    const input = someInput(random)
    const now = 1_000_000 + random.int(0, 1_000_000)
    const at = now - input.delayMs
    const join = line.join(input.timestamp(at), now, input.clock)
    line.leftRtp((input.timestamp(at) + join.video) >>> 0, now)
    const last = (input.sample(at + random.int(-100, 100)) + join.audio) >>> 0
    line.soundLeft(last, now)

    const successor = new LaneLine(line.state)
    const track = new SwitchedTrack(0, successor.lastSample)
    t.false(track.isNew(last), 'the last sample has left')
    t.true(track.isNew((last + 48 * 101) >>> 0), 'what comes later is new')
    t.true(successor.next(now) > line.state.last90k)
  }
})
