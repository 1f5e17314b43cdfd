import test from 'ava'
import {
  afterCongestion,
  considerProbe,
  considerTrial,
  FRESH_PROBES,
  FRESH_WAY_UP,
  NO_TRIALS,
  type Probes,
  probeRateKbps,
} from '../../../policy/link/way-up.ts'

/** Asks every 100 ms; what each probe finds is there 100 ms later. When it probed, ms. */
function probesOf(
  seconds: number,
  finds: (probed: number, estimateKbps: number) => number,
  { from = FRESH_PROBES, estimateKbps = 1000 }: { from?: Probes; estimateKbps?: number } = {},
): number[] {
  const probed: number[] = []
  let probes = from
  let estimate = estimateKbps
  for (let now = 0; now < seconds * 1000; now += 100) {
    if (probed.at(-1) === now - 100) estimate = finds(probed.length, estimate)
    const answer = considerProbe(probes, estimate, now)
    probes = answer.probes
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
  const from = afterCongestion(FRESH_WAY_UP, 400, 0).probes
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

/** Asks every 100 ms about a step of 1000 kb/s. When it was due, s. */
function trialsOf(
  seconds: number,
  estimateAt: (nowMs: number, tried: readonly number[]) => number,
): number[] {
  const tried: number[] = []
  let trials = NO_TRIALS
  for (let now = 0; now < seconds * 1000; now += 100) {
    const answer = considerTrial(trials, estimateAt(now, tried), 1000, now)
    trials = answer.trials
    if (answer.due) tried.push(now / 1000)
  }
  return tried
}

test('what probes say is nearly enough is tried, after they had their time, and ever more rarely', (t) => {
  t.deepEqual(
    trialsOf(100, () => 950),
    [1.5, 11.5, 31.5, 71.5],
  )
  t.true(trialsOf(3600, () => 950).length <= 16, 'every five minutes at last')
})

test('probes waver around what is near: it is tried when they are near, and once they were', (t) => {
  t.deepEqual(
    trialsOf(5, (now) => (now % 1000 === 0 ? 930 : 850)),
    [2],
  )
  t.deepEqual(
    trialsOf(5, (now) => (now === 0 ? 950 : now === 1000 ? 500 : 950)),
    [2.6],
    'the link changed',
  )
})

test('a link that carries less is not tried', (t) => {
  t.deepEqual(
    trialsOf(60, (now) => 800 + (now % 7) * 10),
    [],
  )
})

test('a trial that went well is no reason to wait long for the next one', (t) => {
  // Up for two minutes after each: nobody asks meanwhile.
  const asked = [0, 1600, 121_600, 123_200, 243_200, 244_800]
  let trials = NO_TRIALS
  const tried = asked.filter((now) => {
    const answer = considerTrial(trials, 950, 1000, now)
    trials = answer.trials
    return answer.due
  })
  t.deepEqual(tried, [1600, 123_200, 244_800])
})
