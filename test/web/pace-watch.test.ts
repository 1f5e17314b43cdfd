import test from 'ava'
import { PaceWatch, type PileUp } from '../../signaling/client/pace-watch.ts'

const FRAME_MS = 1000 / 30
const ticks = (ms: number): number => Math.round(ms * 90) >>> 0

interface Told extends PileUp {
  readonly at: number
}

/**
 * Feeds 30 pictures a second. `arrivesAt` says when each comes, by the time of its capture; null for none. `looks`
 * after overdue pictures as the page does. Returns the reports with their times.
 */
function watch(seconds: number, arrivesAt: (capturedAt: number) => number | null, looks = true): Told[] {
  const watcher = new PaceWatch()
  const told: Told[] = []
  const tell = (at: number, seen: PileUp | null) => seen !== null && told.push({ at, ...seen })
  for (let captured = 0; captured < seconds * 1000; captured += FRAME_MS) {
    const at = arrivesAt(captured)
    if (at === null) continue
    const { overdueAt } = watcher
    if (looks && overdueAt !== null && overdueAt < at) tell(overdueAt, watcher.overdue(overdueAt))
    tell(at, watcher.add(at, ticks(captured + 47_000_000)))
  }
  return told
}

/** A link that carries everything until 5 s, and from then on `share` of what is sent. */
const squeezed = (share: number) => (captured: number) =>
  captured < 5000 ? captured : 5000 + (captured - 5000) / share

test('a link that suddenly carries a quarter is seen before the second late picture is here', (t) => {
  const [first] = watch(7, squeezed(0.25))
  t.true(first!.at < 5000 + 2 * FRAME_MS * 4, `${first!.at}`)
  t.true(Math.abs(first!.pace - 0.25) < 0.07, `${first!.pace}`)
  // The picture that is overdue was captured when the link had been narrow for two of them.
  t.true(Math.abs(first!.late_ms - (first!.at - 5000 - 2 * FRAME_MS)) < FRAME_MS, `${first!.late_ms}`)
})

test('by a page that is too busy to look it is seen within three pictures', (t) => {
  const [first] = watch(7, squeezed(0.25), false)
  t.true(first!.at < 5000 + 3.5 * FRAME_MS * 4, `${first!.at}`)
  t.true(Math.abs(first!.pace - 0.25) < 0.02, `${first!.pace}`)
})

test('a link that carries less and less is seen when many pictures were late, each a little', (t) => {
  const gaps = [47, 59, 60, 65, 70, 59, 73, 78, 81, 83]
  let at = 5000
  const [first] = watch(7, (captured) => {
    if (captured < 5000) return captured
    at += gaps.shift() ?? 80
    return at
  })
  t.true(first!.at < 5000 + 400, `${first!.at}`)
})

test('nothing is overdue where pictures were left out a moment ago', (t) => {
  // Every 40th is large, and the encoder leaves the next five out.
  const drops = (captured: number): number | null => {
    const since = Math.round(captured / FRAME_MS) % 40
    if (since >= 1 && since <= 5) return null
    return since === 0 ? captured + 60 : captured
  }
  const told = watch(30, drops).slice(1)
  t.deepEqual(told, [], 'after the first time')
})

test('a link that carries a little too little is seen before a second is queued', (t) => {
  const [first] = watch(20, squeezed(0.8))
  const queuedMs = (first!.at - 5000) * 0.2
  t.true(queuedMs < 1000, `${queuedMs}`)
  t.true(first!.pace > 0.7 && first!.pace <= 0.9, `${first!.pace}`)
})

test('jitter, one late picture, a stream that stood still and a clock that drifts are no queue', (t) => {
  let random = 1
  const next = (): number => {
    random = (random * 48_271) % 0x7fff_ffff
    return random / 0x7fff_ffff
  }
  t.deepEqual(
    watch(30, (captured) => captured + next() * 30),
    [],
    'jitter',
  )
  // A hiccup of Wi-Fi: nothing for a while, then all at once.
  const stalls = (captured: number): number =>
    captured % 3000 < 180 ? Math.ceil(captured / 3000) * 3000 + 180 : captured
  t.deepEqual(watch(30, stalls), [], 'stalls')
  t.deepEqual(
    watch(30, (captured) => (captured < 9000 ? captured : captured + 1700)),
    [],
    'a pause',
  )
  t.deepEqual(
    watch(120, (captured) => captured * 1.0002),
    [],
    'drift',
  )
})

test('RTP timestamps may wrap', (t) => {
  const watcher = new PaceWatch()
  for (let index = 0; index < 300; index++)
    t.is(watcher.add(index * FRAME_MS, (ticks(index * FRAME_MS) + 0xffff_0000) >>> 0), null)
})
