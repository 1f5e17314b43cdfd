import test from 'ava'
import type { LinkEvidence } from '../../../agent/bond/link-evidence.ts'
import {
  isMarginal,
  judge,
  type LinkPhase,
  type LinkTrust,
  newTrust,
} from '../../../agent/bond/link-trust.ts'

const STEP_MS = 100
const WELL: LinkEvidence = {
  silentMs: 0,
  rttMs: 40,
  queueMs: 0,
  sentRate: 100,
  arrivedRate: 100,
  missing: 0,
  missingPackets: 0,
  usualLoss: 0,
  isNews: true,
}

/** Plays stretches of evidence, and tells each phase with the time at which it began. */
function phases(stretches: readonly (Partial<LinkEvidence> & { readonly forMs: number })[]) {
  let trust: LinkTrust = { ...newTrust(0), sinceMs: 0 }
  const seen: [LinkPhase, number][] = [['carrying', 0]]
  let nowMs = 0
  for (const { forMs, ...evidence } of stretches) {
    const began = nowMs
    for (; nowMs < began + forMs; nowMs += STEP_MS) {
      // A silence grows with time.
      const silentMs = evidence.silentMs === undefined ? 0 : nowMs - began + STEP_MS
      trust = judge(trust, { ...WELL, ...evidence, silentMs }, 800, nowMs)
      if (trust.phase !== seen.at(-1)![0]) seen.push([trust.phase, nowMs])
    }
  }
  return { seen, trust }
}

test('a silent link is left within 300 ms, is dead after a second, and comes back by a rest and a trial', (t) => {
  const { seen } = phases([{ forMs: 1000 }, { forMs: 3000, silentMs: 1 }, { forMs: 4000 }])
  t.deepEqual(
    seen.map(([phase]) => phase),
    ['carrying', 'paused', 'dead', 'resting', 'trial', 'carrying'],
  )
  t.true(seen[1]![1] - 1000 <= 200, 'one more step before the next word makes 300 ms')
  t.true(seen[4]![1] - 4000 >= 500, 'it rests')
  t.true(seen[5]![1] - seen[4]![1] >= 1000, 'and is tried')
})

test('a hiccup of 300 ms costs nothing but its own time', (t) => {
  const { seen, trust } = phases([{ forMs: 1000 }, { forMs: 300, silentMs: 1 }, { forMs: 1000 }])
  t.deepEqual(
    seen.map(([phase]) => phase),
    ['carrying', 'paused', 'carrying'],
  )
  t.is(trust.breaks, 0)
})

test('a link that comes and goes rests longer each time, and is marginal', (t) => {
  const swing = [{ forMs: 700, silentMs: 1 }, { forMs: 15_000 }]
  const { seen } = phases([{ forMs: 1000 }, ...swing, ...swing, ...swing, ...swing])
  const rests = seen.flatMap(([phase, at], index) => (phase === 'resting' ? [seen[index + 1]![1] - at] : []))
  t.is(rests.length, 4)
  t.true(rests[3]! >= 4 * rests[0]!, rests.join())
  t.true(isMarginal({ phase: 'resting', sinceMs: 0, breaks: 3, lateSinceMs: null }))
  t.false(isMarginal({ phase: 'carrying', sinceMs: 0, breaks: 3, lateSinceMs: null }))
})

test('breaks are forgiven one by one', (t) => {
  const { trust } = phases([{ forMs: 700, silentMs: 1 }, { forMs: 25_000 }])
  t.is(trust.phase, 'carrying')
  t.is(trust.breaks, 0)
})

test('a link whose packets come too late carries nothing, however low its round trip once was', (t) => {
  const { seen } = phases([{ forMs: 1000 }, { forMs: 10_000, queueMs: 600 }, { forMs: 3000 }])
  t.deepEqual(
    seen.map(([phase]) => phase),
    ['carrying', 'resting', 'trial', 'carrying'],
  )
  t.true(seen[2]![1] >= 11_000)
})

test('a trial in which a third of the packets stays away fails', (t) => {
  const { seen, trust } = phases([
    { forMs: 700, silentMs: 1 },
    { forMs: 900 },
    { forMs: 300, missing: 0.8, missingPackets: 20 },
    { forMs: 200 },
  ])
  t.is(seen.at(-1)![0], 'resting')
  t.is(trust.breaks, 1)
  t.true(trust.sinceMs > 1900, 'it rests for longer')
})
