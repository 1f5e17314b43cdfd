import test from 'ava'
import {
  considerProbe,
  FRESH_PROBES,
  type ProbeSchedule,
  probeRateKbps,
  probesAfterCongestion,
} from '../../policy/probe-schedule.ts'

/** Asks every 100 ms; what each probe finds is there 100 ms later. When it probed, ms. */
function probesOf(
  seconds: number,
  finds: (probes: number, estimateKbps: number) => number,
  { from = FRESH_PROBES, estimateKbps = 1000 }: { from?: ProbeSchedule; estimateKbps?: number } = {},
): number[] {
  const probed: number[] = []
  let schedule = from
  let estimate = estimateKbps
  for (let now = 0; now < seconds * 1000; now += 100) {
    if (probed.at(-1) === now - 100) estimate = finds(probed.length, estimate)
    const answer = considerProbe(schedule, estimate, now)
    schedule = answer.schedule
    if (answer.probe) probed.push(now)
  }
  return probed
}

test('probes that find nothing come ever more rarely, yet they go on', (t) => {
  const nothing = (_: number, estimate: number) => estimate * 1.05
  t.deepEqual(probesOf(14, nothing), [0, 1000, 2500, 4800, 7800, 10_800, 13_800])
})

test('a probe that found much more is followed by another soon, and that again where it did', (t) => {
  t.deepEqual(
    probesOf(3, (probes, estimate) => (probes < 3 ? estimate * 2 : estimate)),
    [0, 200, 400, 1400, 2900],
  )
})

test('a link that carries less than the next step is not asked again and again', (t) => {
  // 2.4 of the 5 Mb/s that the next step takes: found once, and that was it.
  const probed = probesOf(60, (probes) => 2400 + (probes % 3) * 50, { estimateKbps: 900 })
  t.true(probed.length <= 23, `${probed.length}`)
})

test('after congestion the queue drains first, and the first probe that finds more ends the long waits', (t) => {
  const from = probesAfterCongestion(400, 0)
  t.deepEqual(
    probesOf(10, () => 400, { from, estimateKbps: 400 }),
    [3500, 6500, 9500],
  )
  t.deepEqual(
    probesOf(8, (probes) => (probes < 2 ? 400 : 5000), { from, estimateKbps: 400 }),
    [3500, 6500, 6700, 7700],
  )
})

test('a step that is far above what is known to fit is probed for in two', (t) => {
  t.is(probeRateKbps(1100, 360), 1100)
  t.is(probeRateKbps(5400, 1000), 2500)
  t.is(probeRateKbps(5400, 2500), 5400)
})
