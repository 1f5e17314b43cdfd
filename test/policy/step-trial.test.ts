import test from 'ava'
import { considerTrial, NO_TRIALS } from '../../policy/step-trial.ts'

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
