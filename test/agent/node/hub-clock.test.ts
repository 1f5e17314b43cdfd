import test from 'ava'
import { HubClock } from '../../../agent/node/hub-clock.ts'

const HUB_AHEAD = 1_000_000

/** A device whose steady clock and wall clock a test moves. */
function device() {
  const time = { steady: 5_000, wall: 80_000 }
  const clock = new HubClock({ steady: () => time.steady, wall: () => time.wall })
  const pass = (ms: number) => {
    time.steady += ms
    time.wall += ms
  }
  /** An answer whose way out and way back took these times, ms. */
  const ask = (outMs: number, backMs: number, hubAhead = HUB_AHEAD, resolutionMs = 0) => {
    const sentAt = clock.read()
    pass(outMs)
    const hub = time.steady + hubAhead
    const told = resolutionMs > 0 ? Math.floor(hub / resolutionMs) * resolutionMs : hub
    pass(backMs)
    clock.sample(sentAt, told, clock.read(), resolutionMs)
  }
  const errorOf = () => clock.hubNow() - (time.steady + HUB_AHEAD)
  return { time, clock, pass, ask, errorOf }
}

test('before the hub told its time, the clock is the one of the machine', (t) => {
  const { time, clock } = device()
  t.is(clock.hubNow(), time.wall)
  t.is(clock.aheadMs, 0)
  t.is(clock.errorMs, Number.POSITIVE_INFINITY)
  t.false(clock.isKnown)
})

test('an answer is right within half its round trip, and the shortest counts', (t) => {
  const { clock, ask, errorOf, pass } = device()
  ask(10, 30)
  t.is(Math.abs(errorOf()), 10)
  t.is(clock.errorMs, 20)
  for (let count = 0; count < 10; count++) {
    pass(500)
    ask(300, 10)
  }
  t.true(Math.abs(errorOf()) <= 10, 'long round trips change nothing')
  pass(1000)
  ask(2, 2)
  pass(2000)
  t.true(Math.abs(errorOf()) < 0.01)
  t.is(clock.errorMs.toFixed(1), '2.1')
})

test('whole seconds are the first estimate, and the first better answer takes their place at once', (t) => {
  const { clock, ask, errorOf } = device()
  ask(5, 5, HUB_AHEAD, 1000)
  t.true(Math.abs(errorOf()) <= 505)
  t.is(clock.errorMs, 505)
  ask(5, 5)
  t.true(Math.abs(errorOf()) < 0.01)
  ask(5, 5, HUB_AHEAD, 1000)
  t.true(Math.abs(errorOf()) < 0.01)
})

test('an answer that took long is corrected at once while the first samples come', (t) => {
  const { ask, errorOf, pass } = device()
  ask(0, 300)
  t.is(Math.abs(errorOf()), 150)
  pass(200)
  ask(2, 2)
  t.true(Math.abs(errorOf()) < 0.01)
})

test('it slews over small errors, and steps where a clock was set', (t) => {
  const { clock, ask, pass, errorOf } = device()
  ask(5, 5)
  pass(70_000)
  let before = clock.hubNow()
  ask(5, 5, HUB_AHEAD + 100)
  t.true(clock.hubNow() - before < 10 + 1, 'no hop')
  for (let second = 0; second < 12; second++) {
    before = clock.hubNow()
    pass(1000)
    t.true(Math.abs(clock.hubNow() - before - 1000) <= 10.01)
  }
  t.true(Math.abs(errorOf() - 100) < 0.01)
  ask(5, 5, HUB_AHEAD + 3_600_000)
  t.true(Math.abs(errorOf() - 3_600_000) < 0.01)
})

test('nobody who sets the clock of the machine moves it', (t) => {
  const { time, clock, ask, pass, errorOf } = device()
  ask(5, 5)
  const ahead = clock.aheadMs
  time.wall += 31_536_000_000
  pass(100)
  t.is(Math.round(errorOf()), 0)
  t.is(Math.round(clock.aheadMs - ahead), 31_536_000_000)
  t.is(Math.round(clock.hubTimeOf(time.wall) - clock.hubNow()), 0)
})

test('what is no answer is no sample', (t) => {
  const { clock } = device()
  clock.sample(10, Number.NaN, 20)
  clock.sample(20, 5, 10)
  t.false(clock.isKnown)
})
