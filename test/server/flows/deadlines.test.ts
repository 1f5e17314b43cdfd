import { mock } from 'node:test'
import test from 'ava'
import { Deadlines } from '../../../server/flows/deadlines.ts'

/** Timers fire when a test says so, see `look`; nothing waits. */
test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
test.afterEach.always(() => mock.timers.reset())

/** Deadlines on a clock that a test sets, apart from their timers: a machine that slept has timers behind its clock. */
function onClock() {
  const clock = { now: 1_000_000 }
  const due: string[] = []
  const deadlines = new Deadlines(
    (key) => due.push(key),
    () => clock.now,
  )
  return { clock, due, deadlines, [Symbol.dispose]: () => deadlines[Symbol.dispose]() }
}

/** So much time of the timers that a deadline's clock was looked at. */
const look = () => mock.timers.tick(1000)

test.serial('a deadline is due when the clock has reached it, not before', (t) => {
  using rig = onClock()
  rig.deadlines.set('a', rig.clock.now + 200)
  rig.clock.now += 100
  // The timer has fired; by the rig's clock it is too early.
  look()
  t.deepEqual(rig.due, [])
  rig.clock.now += 100
  look()
  t.deepEqual(rig.due, ['a'])
})

test.serial('deadlines come in their order, each once', (t) => {
  using rig = onClock()
  for (const [key, after] of [
    ['late', 500],
    ['soon', 100],
    ['between', 300],
  ] as const)
    rig.deadlines.set(key, rig.clock.now + after)
  for (const expected of [['soon'], ['soon', 'between'], ['soon', 'between', 'late']]) {
    rig.clock.now += 200
    look()
    t.deepEqual(rig.due, expected)
  }
  rig.clock.now += 10_000
  look()
  t.is(rig.due.length, 3)
})

test.serial('one in the past is due at once', (t) => {
  using rig = onClock()
  rig.deadlines.set('past', rig.clock.now - 5000)
  mock.timers.tick(0)
  t.deepEqual(rig.due, ['past'])
})

test.serial('setting again replaces: later, sooner, and the one that was next', (t) => {
  using rig = onClock()
  rig.deadlines.set('moved', rig.clock.now + 100)
  rig.deadlines.set('moved', rig.clock.now + 100_000)
  rig.deadlines.set('nearer', rig.clock.now + 100_000)
  rig.deadlines.set('nearer', rig.clock.now + 300)
  rig.clock.now += 300
  look()
  t.deepEqual(rig.due, ['nearer'])
  // As if the machine had slept: its timers have not run meanwhile.
  rig.clock.now += 100_000
  look()
  t.is(rig.due.filter((key) => key === 'moved').length, 1)
})

test.serial('what is deleted never comes, also when it was next', (t) => {
  using rig = onClock()
  rig.deadlines.set('gone', rig.clock.now + 100)
  rig.deadlines.set('stays', rig.clock.now + 200)
  rig.deadlines.delete('gone')
  rig.deadlines.delete('never-was')
  rig.clock.now += 1000
  look()
  t.deepEqual(rig.due, ['stays'])
})

test.serial('what is due may set and delete others while it is told', (t) => {
  const clock = { now: 1_000_000 }
  const due: string[] = []
  using deadlines: Deadlines = new Deadlines(
    (key) => {
      due.push(key)
      if (key === 'first') deadlines.set('second', clock.now)
    },
    () => clock.now,
  )
  deadlines.set('first', clock.now)
  look()
  t.deepEqual(due, ['first', 'second'])
})

test.serial('a deadline beyond what a timer holds does not come early', (t) => {
  using rig = onClock()
  rig.deadlines.set('in a year', rig.clock.now + 365 * 86_400_000)
  mock.timers.tick(60_000)
  t.deepEqual(rig.due, [])
})

test.serial('thousands that come and go cost little', (t) => {
  using rig = onClock()
  const startedAt = performance.now()
  for (let index = 0; index < 20_000; index++) rig.deadlines.set(`k${index}`, rig.clock.now + 60_000 + index)
  // Oldest first: each was the next one.
  for (let index = 0; index < 20_000; index++) rig.deadlines.delete(`k${index}`)
  t.true(performance.now() - startedAt < 1000, `${performance.now() - startedAt} ms`)
  t.deepEqual(rig.due, [])
})

test.serial('nothing comes after the end', (t) => {
  const rig = onClock()
  rig.deadlines.set('a', rig.clock.now)
  rig[Symbol.dispose]()
  look()
  t.deepEqual(rig.due, [])
})
