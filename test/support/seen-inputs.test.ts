import test from 'ava'
import type { ShownPicture } from './input-watch.ts'
import { frozenMs, longestGapMs, numbering, runsOf } from './seen-inputs.ts'

const of = (input: string | null, ...numbers: number[]) =>
  numbers.map((number) => ({ input, number, height: 720 }))

/** Pictures at these unix ms. */
const shownAt = (...times: number[]): ShownPicture[] =>
  times.map((at) => ({ at, input: 'a', number: 0, clock: 0, receivedAt: null, height: 720 }))
const steadily = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => from + index * 33)

test('which inputs were on, in turn', (t) => {
  t.deepEqual(runsOf([...of('a', 1, 2), ...of('b', 7), ...of(null, 0), ...of('a', 9)]), [
    { input: 'a', pictures: 2 },
    { input: 'b', pictures: 1 },
    { input: null, pictures: 1 },
    { input: 'a', pictures: 1 },
  ])
  t.deepEqual(runsOf([]), [])
})

for (const [what, pictures, expected] of [
  ['in a row', of('a', 1, 2, 3), { lost: 0, again: 0 }],
  ['around the wrap', of('a', 65_534, 65_535, 0, 1), { lost: 0, again: 0 }],
  ['with a hole', of('a', 1, 2, 6), { lost: 3, again: 0 }],
  ['with one again', of('a', 1, 2, 2, 3), { lost: 0, again: 1 }],
  ['with one too late', of('a', 1, 3, 2, 4), { lost: 2, again: 1 }],
  ['of another layer', [...of('a', 1, 2), { input: 'a', number: 2, height: 360 }], { lost: 0, again: 0 }],
  ['over a cut', [...of('a', 1, 2), ...of('b', 90, 91), ...of('a', 50)], { lost: 0, again: 0 }],
  [
    'over a slate',
    [...of('a', 1), { input: null, number: null, height: 720 }, ...of('a', 50)],
    { lost: 0, again: 0 },
  ],
] as const)
  test(`numbers ${what}`, (t) => {
    t.deepEqual(numbering(pictures), expected)
  })

test('freezes count from the moment on, whole, and not those before', (t) => {
  const before = steadily(0, 40)
  const first = before.at(-1)! + 400
  const middle = steadily(first, 40)
  const second = middle.at(-1)! + 500
  const shown = shownAt(...before, ...middle, ...steadily(second, 10))
  t.is(frozenMs(shown, 0), 900)
  t.is(frozenMs(shown, first + 100), 500)
  t.is(frozenMs(shown, second), 0)
  t.is(longestGapMs(shown, 0), 500)
  t.is(longestGapMs(shown, second), 33)
})
