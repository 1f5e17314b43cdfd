import test from 'ava'
import { type LiveFacts, nextKbps, spareKbps } from '../../../agent/backlog/spare-rate.ts'

type Link = LiveFacts['links'][number]
const link = (kbps: number, capacity_kbps: number | null, state: Link['state'] = 'carrying'): Link => ({
  link_id: 'a',
  interface: null,
  via: 'udp',
  state,
  weight: 100,
  kbps,
  rtt_ms: 40,
  loss: 0,
  capacity_kbps,
})
const live = (links: Link[], more: Partial<LiveFacts> = {}): LiveFacts => ({
  state: 'live',
  isFull: true,
  links,
  ...more,
})

for (const [what, facts, kbps] of [
  ['nothing is on air', [], 20_000],
  ['what is on by configuration has no camera', [live([], { state: 'no_input' })], 20_000],
  ['half of what links have left', [live([link(2000, 6000), link(1000, 2000)])], 2500],
  ['a dead link has nothing left', [live([link(2000, 6000), link(0, 8000, 'dead')])], 2000],
  ['a quarter of what is sent, where nobody knows', [live([link(4000, null)])], 1000],
  ['live media could use more', [live([link(2000, 9000)], { isFull: false })], 0],
  ['a second broadcast could use more', [live([link(2000, 9000)]), live([], { isFull: false })], 0],
  ['a broadcast begins', [live([], { state: 'starting' })], 0],
  ['links carry more than they can', [live([link(5000, 4000)])], 0],
] satisfies [string, LiveFacts[], number][])
  test(`to spare: ${what}`, (t) => {
    t.is(spareKbps(facts), kbps)
  })

test('the rate falls at once and grows gently', (t) => {
  t.is(nextKbps(4000, 0), 0)
  t.is(nextKbps(4000, 1000), 1000)
  t.is(nextKbps(4000, 8000), 5200)
  t.is(nextKbps(0, 8000), 2000)
  t.is(nextKbps(0, 100), 64)
  t.is(nextKbps(0, 50), 0)
})
