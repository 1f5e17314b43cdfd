import { execFileSync } from 'node:child_process'
import test from 'ava'
import {
  ClockWatch,
  FineWall,
  machineMs,
  STEADY_BASE_MS,
  SYSTEM_CLOCK,
  steadyOf,
  wallOf,
} from '../../common/clock.ts'

/** A machine whose clock can be set. */
function machine() {
  const at = { steady: 1_000_000, ahead: 0 }
  return { at, clock: { wall: () => Math.floor(at.steady + at.ahead), steady: () => at.steady } }
}

test('both clocks of the system agree while nobody sets it', (t) => {
  t.true(Math.abs(SYSTEM_CLOCK.wall() - SYSTEM_CLOCK.steady()) < 1000)
})

test('times go from one clock to the other and back', (t) => {
  const { at, clock } = machine()
  at.ahead = 1_200_000
  t.is(wallOf(clock, 1_000_500), 2_200_500)
  t.is(steadyOf(clock, 2_200_500), 1_000_500)
})

test('steps of either sign are noticed, once each; slewing is no step', (t) => {
  const { at, clock } = machine()
  const steps: number[] = []
  using watch = new ClockWatch((ms) => steps.push(ms), clock)
  const lookAt = (ahead: number) => {
    at.steady += 1000.4
    at.ahead = ahead
    watch.look()
  }
  for (const ahead of [0, 1_200_000, 1_200_000, 1_200_100, 1_200_199, 0, 0]) lookAt(ahead)
  t.is(steps.length, 2)
  t.true(Math.abs(steps[0]! - 1_200_000) <= 1 && Math.abs(steps[1]! + 1_200_000) <= 1, String(steps))
})

test('a fine wall is even between steps, and follows them', (t) => {
  const { at, clock } = machine()
  const fine = new FineWall(clock)
  at.steady += 0.25
  t.is(fine.now(), 1_000_000.25)
  at.ahead = -3_600_000
  t.true(Math.abs(fine.now() - clock.wall()) <= 1)
  const before = fine.now()
  at.steady += 0.25
  t.is(fine.now(), before + 0.25)
})

test('the monotonic clock is the same in every process of the machine, whatever the date was at its start', (t) => {
  t.true(Math.abs(machineMs() + STEADY_BASE_MS - SYSTEM_CLOCK.steady()) < 5)
  const read = 'process.stdout.write(String(Number(process.hrtime.bigint()) / 1e6))'
  const before = machineMs()
  const other = Number(execFileSync(process.execPath, ['-e', read]).toString())
  t.true(before < other && other < machineMs(), `${before} ${other}`)
})
