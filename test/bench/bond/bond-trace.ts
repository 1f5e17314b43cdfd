import type { Stretch, Trace } from '../../support/link-traces/link-trace.ts'

const LINK = { kbps: 2500, delayMs: 30 }
const swings = (times: number): Stretch[] =>
  Array.from({ length: times }, () => [
    { ...LINK, seconds: 15, delayMs: 50 },
    { ...LINK, seconds: 15, delayMs: 600 },
  ]).flat()

/** The link that is a black hole, and from when on. */
export const VANISHES = { link: 1, atMs: 75_000 }

/** Three links of 2.5 Mb/s for two minutes, each with a trouble of its own. */
export const BOND_TRACE: Trace = {
  name: 'bond',
  about:
    'One falls to 0.4 Mb/s behind a queue of a second, one is a black hole for 7 s, one swings from 100 to 1200 ms.',
  links: [
    {
      name: 'falls',
      queueMs: 1000,
      stretches: [
        { ...LINK, seconds: 30 },
        { ...LINK, seconds: 30, kbps: 400 },
        { ...LINK, seconds: 60 },
      ],
    },
    {
      name: 'vanishes',
      queueMs: 300,
      stretches: [
        { ...LINK, seconds: 75, delayMs: 35 },
        { ...LINK, seconds: 7, delayMs: 35, kbps: 0 },
        { ...LINK, seconds: 38, delayMs: 35 },
      ],
    },
    { name: 'swings', queueMs: 300, stretches: swings(4) },
  ],
}
