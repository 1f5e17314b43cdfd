import test from 'ava'
import type { BondTerms } from '../../../agent/bond/bond-terms.ts'
import { PlayedTrace } from '../../support/link-traces/link-trace.ts'
import { TRACES } from '../../support/link-traces/traces.ts'
import { BondWorld, type Outcome } from './bond-world.ts'

const SHARE: Omit<BondTerms, 'links'> = {
  use: 'share',
  bufferMs: 800,
  kbps: { min: 400, start: 3000, max: 20_000 },
  pixels: [640 * 360, 1280 * 720],
  fps: 30,
  soundKbps: 64,
}

const play = (name: string, terms: Omit<BondTerms, 'links'>, adaptive = true): Outcome => {
  const trace = TRACES[name]!
  return new BondWorld(
    new PlayedTrace(trace),
    { ...terms, links: trace.links.map((_, link) => link) },
    { adaptive },
  ).run()
}

/** What a bond must reach on each trace: residual loss in per cent, and media in kb/s. */
const BOUNDS: Readonly<Record<string, { readonly lossPct: number; readonly kbps: number }>> = {
  'lte-walk': { lossPct: 0.3, kbps: 2800 },
  'lte-drive': { lossPct: 1, kbps: 2500 },
  // A tunnel takes all operators for four seconds of the minute: nobody can send then.
  train: { lossPct: 9, kbps: 900 },
  stadium: { lossPct: 4, kbps: 1800 },
  'dead-zone': { lossPct: 3, kbps: 1900 },
  'hand-over': { lossPct: 0.3, kbps: 2400 },
  flapping: { lossPct: 0.3, kbps: 3300 },
  bufferbloat: { lossPct: 0.3, kbps: 3300 },
  blackhole: { lossPct: 0.4, kbps: 3300 },
  noisy: { lossPct: 0.4, kbps: 3300 },
  'satellite-and-lte': { lossPct: 0.3, kbps: 3500 },
  '5g-edge': { lossPct: 0.3, kbps: 1500 },
}

test('every trace has its bounds, and there are a dozen', (t) => {
  t.deepEqual(Object.keys(BOUNDS).toSorted(), Object.keys(TRACES).toSorted())
  t.is(Object.keys(TRACES).length, 12)
})

for (const [name, { lossPct, kbps }] of Object.entries(BOUNDS)) {
  test(`${name}: shares and bitrate follow the links`, (t) => {
    const adaptive = play(name, SHARE)
    t.true(adaptive.lossPct <= lossPct, `loses ${adaptive.lossPct.toFixed(2)} %`)
    t.true(adaptive.meanKbps >= kbps, `carries ${adaptive.meanKbps.toFixed(0)} kb/s`)
  })
}

for (const name of ['stadium', 'dead-zone', 'bufferbloat']) {
  test(`${name}: an encoder and weights that never change lose many times as much`, (t) => {
    const adaptive = play(name, SHARE)
    const fixed = play(
      name,
      { ...SHARE, kbps: { ...SHARE.kbps, start: Math.round(adaptive.meanKbps) } },
      false,
    )
    t.true(
      fixed.lossPct > 10 * Math.max(0.5, adaptive.lossPct),
      `${fixed.lossPct} against ${adaptive.lossPct}`,
    )
  })
}

test('the same trace gives the same steps', (t) => {
  t.deepEqual(play('train', SHARE), play('train', SHARE))
})
