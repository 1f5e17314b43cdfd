import test from 'ava'
import { ArrivalClock } from '../../../agent/encoder/inputs/arrival-clock.ts'

/** Seconds of a source with 30 pictures a second whose clock runs by `pace`, `aheadMs` before arrival, with jitter. */
function play(clock: ArrivalClock, seconds: number, { pace = 1, aheadMs = 700, jitterMs = 0, from = 0 }) {
  const ages: number[] = []
  let seed = 1
  for (let picture = 0; picture < seconds * 30; picture += 1) {
    seed = (seed * 48_271) % 2_147_483_647
    const nowMs = 1e12 + from + (picture * 1000) / 30 + (seed / 2_147_483_647) * jitterMs
    const timeMs = 1e12 + from + (picture * 1000 * pace) / 30 + aheadMs
    ages.push(nowMs - (timeMs + clock.move(timeMs, nowMs)))
  }
  return ages
}

test('a time ahead of arrival becomes the time of arrival, and jitter is no capture time', (t) => {
  const ages = play(new ArrivalClock(), 20, { jitterMs: 100 })
  t.true(ages.every((age) => age >= -1e-6))
  // The earliest of the last seconds has an age of about 0, and distances stay those of the source.
  const late = ages.slice(200)
  t.true(Math.min(...late) < 5)
  t.true(Math.max(...late) < 110)
})

test('a clock that drifts is followed, and never shows a picture of the future', (t) => {
  for (const pace of [0.999, 1.001]) {
    const ages = play(new ArrivalClock(), 60, { pace })
    t.true(
      ages.every((age) => age >= -1e-6 && age < 20),
      `${pace}: ${Math.max(...ages)}`,
    )
  }
})

test('a leap of the clock is followed at once', (t) => {
  const clock = new ArrivalClock()
  play(clock, 5, { aheadMs: 700 })
  const [first] = play(clock, 1, { aheadMs: 5000, from: 5000 })
  t.true(Math.abs(first!) < 1)
})
