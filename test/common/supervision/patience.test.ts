import test from 'ava'
import { Patience, type ThreadSample } from '../../../common/supervision/patience.ts'

const STEP_MS = 250
const LIMIT_MS = 3000

/** What a process does in each step: ms of CPU used, ms waited for one as the kernel counts them, and its state then. */
interface Step {
  readonly ran?: number
  readonly waited?: number
  readonly state?: string
  readonly spoke?: boolean
  /** How long the step took the looker, ms. */
  readonly took?: number
}

/** Looks at a process step by step. @returns after how many ms it was found hanging; null where it never was */
function hungAfter(steps: Iterable<Step>): number | null {
  const patience = new Patience(LIMIT_MS, STEP_MS, 0)
  let [now, ranMs, waitedMs] = [0, 0, 0]
  for (const { ran = 0, waited = 0, state = 'S', spoke = false, took = STEP_MS } of steps) {
    now += took
    ranMs += ran
    waitedMs += waited
    if (spoke) patience.spoke()
    const sample: ThreadSample = { state, ranMs, waitedMs }
    if (patience.look(now, () => sample)) return now
  }
  return null
}

const times = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step)

test('who speaks is left alone, and heard to fall silent', (t) => {
  t.is(hungAfter(times(1000, { spoke: true })), null)
  t.is(hungAfter([...times(40, { spoke: true }), ...times(100, {})]), 10_000 + LIMIT_MS)
})

test('a process that sleeps, was stopped, or loops without speaking hangs after the limit', (t) => {
  for (const step of [{ state: 'S' }, { state: 'T' }, { state: 'R', ran: STEP_MS }]) {
    const after = hungAfter(times(100, step))!
    t.true(after >= LIMIT_MS && after <= LIMIT_MS + STEP_MS, `${JSON.stringify(step)}: ${after}`)
  }
})

test('what is known of nobody is judged by the silence alone', (t) => {
  const patience = new Patience(LIMIT_MS, STEP_MS, 0)
  let now = 0
  do now += STEP_MS
  while (!patience.look(now, () => null))
  t.true(now >= LIMIT_MS && now <= LIMIT_MS + STEP_MS)
})

test('time in which a process waits for a CPU is not held against it', (t) => {
  // It gets a twentieth of a core.
  t.true(hungAfter(times(1000, { state: 'R', ran: 12, waited: 238 }))! > 15 * LIMIT_MS)
  // The kernel tells of a wait only when it is over.
  const starved = [...times(40, { state: 'R' }), { state: 'R', ran: 5, waited: 40 * STEP_MS }]
  t.is(hungAfter([...starved, ...starved, ...starved, { spoke: true }]), null)
  // It loops, and gets half of a core.
  const loops = hungAfter(times(1000, { state: 'R', ran: STEP_MS / 2, waited: STEP_MS / 2 }))!
  t.true(loops > 1.9 * LIMIT_MS && loops < 2.2 * LIMIT_MS, `${loops}`)
})

test('a process that waits for a disk is slow, a process that was stopped on a busy machine is not', (t) => {
  t.is(hungAfter(times(1000, { state: 'D' })), null)
  const after = hungAfter([...times(8, { state: 'R', ran: 1, waited: 249 }), ...times(100, { state: 'T' })])!
  t.true(after > 7 * STEP_MS + LIMIT_MS - STEP_MS && after <= 8 * STEP_MS + LIMIT_MS, `${after}`)
})

test('time in which the hub itself stood still is not held against anybody', (t) => {
  // The looker stands still for 20 s; then everybody is heard again.
  t.is(hungAfter([{ spoke: true }, {}, { took: 20_000 }, { spoke: true }]), null)
  // It gets to look every 2 s only: patience grows with that.
  t.is(hungAfter(times(1000, { took: 2000 })), (1 + LIMIT_MS / STEP_MS) * 2000)
})

test('a fresh process may take longer until it speaks first', (t) => {
  const patience = new Patience(10_000, STEP_MS, 0)
  let now = 0
  const silentUntil = (end: number) => {
    let hung = false
    while (now < end && !hung) {
      now += STEP_MS
      hung = patience.look(now, () => null)
    }
    return hung
  }
  t.false(silentUntil(9000))
  t.is(patience.silentMs, 9000 - STEP_MS)
  patience.spoke(LIMIT_MS)
  t.is(patience.silentMs, 0)
  t.true(silentUntil(20_000))
  t.is(now, 9000 + LIMIT_MS + STEP_MS)
})
