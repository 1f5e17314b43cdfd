import test from 'ava'
import { ClockSkew, MAX_SKEW_MS } from '../../../server/telemetry/clock-skew.ts'
import { Seeded } from '../../policy/seeded.ts'
import { T0 } from '../topology/world.ts'

test('a wrong clock is corrected by the quickest report', (t) => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const random = new Seeded(seed)
    const skew = new ClockSkew()
    const off = random.int(-MAX_SKEW_MS + 500, MAX_SKEW_MS - 500)
    const least = random.int(1, 50)
    let now = T0
    for (let report = 0; report < 100; report += 1) {
      now += random.int(100, 2000)
      const delay = report === 20 ? least : least + random.int(0, 400)
      const corrected = skew.corrected('n1', now - delay + off, now)
      t.true(corrected <= now, 'never in the future')
      // From the quickest one on, only what the network itself adds is wrong.
      if (report >= 20 && report < 40) {
        const error = Math.abs(corrected - (now - delay))
        t.true(error <= least, `off by ${error} ms at delay ${delay}, least ${least}`)
      }
    }
  }
})

test('a late report stays late', (t) => {
  const skew = new ClockSkew()
  skew.corrected('n1', T0 - 20, T0)
  const late = skew.corrected('n1', T0 + 1000, T0 + 13_000)
  t.is(late, T0 + 1020)
})

test('a clock that was set is believed again after a while', (t) => {
  const skew = new ClockSkew()
  for (let at = 0; at < 10_000; at += 1000) skew.corrected('n1', T0 + at + 3000, T0 + at)
  let corrected = 0
  for (let at = 10_000; at < 200_000; at += 1000) corrected = skew.corrected('n1', T0 + at - 10, T0 + at)
  t.is(corrected, T0 + 199_000)
})

test('it remembers no more than so many reporters', (t) => {
  const skew = new ClockSkew()
  for (let index = 0; index < 50_100; index += 1) skew.corrected(`n${index}`, T0, T0 + index)
  t.is(skew.size, 50_000)
})
