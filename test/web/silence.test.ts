import test from 'ava'
import { Silence } from '../../signaling/client/silence.ts'

/** When a path counts as silent. A reading is [time in ms, bytes so far]. */
const cases: [what: string, readings: [at: number, bytes: number][], silentAt: number | null][] = [
  [
    'a stream that stops',
    [
      [0, 0],
      [100, 1000],
      [200, 2000],
      [700, 2000],
      [1100, 2000],
      [1200, 2000],
    ],
    1200,
  ],
  [
    'nothing comes from the beginning on',
    [
      [100, 0],
      [900, 0],
      [1000, 0],
    ],
    1000,
  ],
  [
    'a counter that starts again, as that of another path, proves nothing',
    [
      [100, 5000],
      [200, 6000],
      [600, 100],
      [1199, 100],
      [1200, 100],
    ],
    1200,
  ],
  [
    'reports every 900 ms are the rhythm of the path',
    [
      [0, 0],
      [900, 100],
      [1800, 200],
      [3000, 200],
      [5399, 200],
      [5400, 200],
    ],
    5400,
  ],
  [
    'a stream goes on',
    Array.from({ length: 100 }, (_, index): [number, number] => [index * 100, index * 500]),
    null,
  ],
]

for (const [what, readings, silentAt] of cases)
  test(what, (t) => {
    const silence = new Silence(0)
    const silent = readings.filter(([at, bytes]) => silence.add(bytes, at) === 'silent').map(([at]) => at)
    t.deepEqual(silent, silentAt === null ? [] : [silentAt])
  })

test('what was shown in between counts', (t) => {
  const silence = new Silence(0)
  silence.add(100, 500)
  silence.reset(900)
  t.is(silence.add(100, 1000), 'heard')
  t.is(silence.add(100, 1399), 'heard')
  t.is(silence.add(100, 1400), 'suspected')
  t.is(silence.add(100, 1899), 'suspected')
  t.is(silence.add(100, 1900), 'silent')
})

test('a pause that was none is a usual pause later', (t) => {
  const silence = new Silence(0)
  silence.add(0, 0)
  t.is(silence.add(0, 1500), 'silent')
  silence.add(100, 2000)
  t.is(silence.add(100, 2000 + 7999), 'suspected')
  t.is(silence.add(100, 2000 + 8000), 'silent')
})
