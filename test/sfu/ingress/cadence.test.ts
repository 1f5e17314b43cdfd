import test from 'ava'
import { Cadence } from '../../../sfu/ingress/cadence.ts'

const LEAST = 1000

/** Something arrives at this interval for a while. Returns when the last arrived. */
function arrive(cadence: Cadence, everyMs: number, forMs: number, fromMs = 0): number {
  let at = fromMs
  for (; at <= fromMs + forMs; at += everyMs) cadence.arrived(at)
  return at - everyMs
}

test('a stream that comes steadily has the least patience after a quarter of a second', (t) => {
  const cadence = new Cadence()
  arrive(cadence, 20, 260)
  t.is(cadence.patienceMs(LEAST), LEAST)
  t.is(cadence.pauseMs, 0)
})

test('of a stream of which nothing is known, slow pictures are thought possible', (t) => {
  const cadence = new Cadence()
  t.true(cadence.patienceMs(LEAST) > 4000)
  cadence.arrived(0)
  t.true(cadence.patienceMs(LEAST) > 4000)
  t.is(cadence.silentMs(500), 500)
})

for (const everyMs of [1000, 2000, 5000]) {
  test(`a picture every ${everyMs} ms is never missed, and three that stay away are`, (t) => {
    const cadence = new Cadence()
    for (let picture = 0; picture < 10; picture++) {
      // Its packets come over 100 ms.
      for (let ms = 0; ms <= 100; ms += 10) cadence.arrived(picture * everyMs + ms)
      t.true(cadence.patienceMs(LEAST) > everyMs)
    }
    t.true(cadence.patienceMs(LEAST) <= 3 * everyMs)
  })
}

test('one outage is no pace; pauses that are over are forgotten', (t) => {
  const cadence = new Cadence()
  const last = arrive(cadence, 20, 5000)
  const back = arrive(cadence, 20, 1000, last + 4000)
  t.is(cadence.patienceMs(LEAST), LEAST)
  const slow = arrive(cadence, 1000, 5000, back + 1000)
  t.is(cadence.patienceMs(LEAST), 3000)
  arrive(cadence, 20, 2500, slow + 20)
  t.is(cadence.patienceMs(LEAST), LEAST)
})

test('patience ends', (t) => {
  const cadence = new Cadence()
  arrive(cadence, 60_000, 600_000)
  t.is(cadence.patienceMs(LEAST), 30_000)
})
