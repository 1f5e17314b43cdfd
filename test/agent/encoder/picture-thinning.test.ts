import test from 'ava'
import { PictureThinning } from '../../../agent/encoder/picture-thinning.ts'

/** Pictures of a source with jitter that stay, of ten seconds. */
function staying(sourceFps: number, askedFps: number, jitterMs = 0): number[] {
  const thinning = new PictureThinning(askedFps)
  let seed = 7
  return Array.from({ length: sourceFps * 10 }, (_, picture) => {
    seed = (seed * 48_271) % 2_147_483_647
    return (picture * 1000) / sourceFps + (seed / 2_147_483_647 - 0.5) * 2 * jitterMs
  }).filter((ms) => thinning.takes(BigInt(Math.round(1.7e18 / 1e6 + ms)) * 1_000_000n))
}

for (const [source, asked] of [
  [60, 30],
  [30, 15],
  [30, 25],
  [50, 30],
  [30, 1],
] as const)
  test(`of ${source} pictures a second ${asked} stay, evenly`, (t) => {
    for (const jitterMs of [0, 4]) {
      const times = staying(source, asked, jitterMs)
      t.true(Math.abs(times.length - asked * 10) <= 2, `${times.length} of ${asked * 10}`)
      const gaps = times.slice(1).map((ms, at) => ms - times[at]!)
      t.true(Math.max(...gaps) <= 1000 / asked + 1000 / source + 2 * jitterMs + 1)
    }
  })

test('after a gap the next picture stays', (t) => {
  const thinning = new PictureThinning(10)
  t.true(thinning.takes(0n))
  t.false(thinning.takes(33_000_000n))
  t.true(thinning.takes(5_000_000_000n))
  t.false(thinning.takes(5_033_000_000n))
  // A clock that was set back is a gap too.
  t.true(thinning.takes(1_000_000_000n))
})
