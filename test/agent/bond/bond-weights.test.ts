import test from 'ava'
import { copies, shares, type WeighedLink } from '../../../agent/bond/bond-weights.ts'

const link = (index: number, more: Partial<WeighedLink> = {}): WeighedLink => ({
  link: index,
  phase: 'carrying',
  allowedKbps: 3000,
  drains: false,
  rttMs: 40 + index,
  good: true,
  copies: false,
  ...more,
})
const sum = (weights: ReadonlyMap<number, number>): number =>
  [...weights.values()].reduce((total, weight) => total + weight, 0)

test('shares go by capacity, and a link that nothing may depend on has the least', (t) => {
  const weights = shares([
    link(0, { allowedKbps: 4000 }),
    link(1, { allowedKbps: 2000 }),
    link(2, { phase: 'dead' }),
  ])
  t.is(weights.get(0), 2 * weights.get(1)!)
  t.is(weights.get(2), 1)
  t.true(sum(weights) <= 100)
})

test('a single link has everything', (t) => {
  t.deepEqual([...shares([link(0, { phase: 'dead' })])], [[0, 0]])
})

test('a link whose queue drains has the least share; where all drain, all carry', (t) => {
  t.is(shares([link(0), link(1, { drains: true })]).get(1), 1)
  const all = shares([link(0, { drains: true }), link(1, { drains: true })])
  t.is(all.get(0), all.get(1))
})

test('when no link is trusted the least suspect carry', (t) => {
  const weights = shares([link(0, { phase: 'dead' }), link(1, { phase: 'resting' })])
  t.true(weights.get(1)! > 10 * weights.get(0)!)
})

/** librist sends over all links of weight 0, and over one of the others by their weights. */
const copiesOf = (weights: ReadonlyMap<number, number>) => {
  const whole = [...weights.values()].filter((weight) => weight === 0).length
  return whole + (whole < weights.size ? 1 : 0)
}

for (const { name, links, number, whole } of [
  { name: 'two links', links: [link(0), link(1)], number: 2, whole: [0, 1] },
  {
    name: 'the two best of three',
    links: [link(0, { rttMs: 200 }), link(1), link(2)],
    number: 2,
    whole: [1, 2],
  },
  {
    name: 'three where none is good',
    links: [0, 1, 2, 3].map((index) => link(index, { good: false })),
    number: 3,
    whole: [0, 1, 2],
  },
  {
    name: 'two where one carries and one is dead: the second copy goes to a link that may be back',
    links: [link(0), link(1, { phase: 'dead' })],
    number: 2,
    whole: [0],
  },
  {
    name: 'a link that is too small comes after one that is slow',
    links: [link(0, { allowedKbps: 500 }), link(1, { rttMs: 150 }), link(2)],
    number: 2,
    whole: [1, 2],
  },
] as const) {
  test(`copies: ${name}`, (t) => {
    const weights = copies(links, 2000)
    t.is(copiesOf(weights), number)
    for (const index of whole) t.true(weights.get(index) === 0 || weights.get(index)! >= 50, `link ${index}`)
    t.is(weights.size, links.length)
  })
}

test('a link that is used is not changed for one that is hardly better', (t) => {
  const weights = copies(
    [link(0, { rttMs: 50, copies: true }), link(1, { rttMs: 10 }), link(2, { rttMs: 40 })],
    2000,
  )
  t.true(weights.get(2)! < 10 && weights.get(2)! > 0)
})
