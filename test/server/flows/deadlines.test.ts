import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Deadlines } from '../../../server/flows/deadlines.ts'
import { until } from '../../support/until.ts'

/** Deadlines on a clock that a test sets; only the waits between are real. */
function onClock() {
  const clock = { now: 1_000_000 }
  const due: string[] = []
  const deadlines = new Deadlines(
    (key) => due.push(key),
    () => clock.now,
  )
  return { clock, due, deadlines, [Symbol.dispose]: () => deadlines[Symbol.dispose]() }
}

test('a deadline is due when the clock has reached it, not before', async (t) => {
  using rig = onClock()
  rig.deadlines.set('a', rig.clock.now + 200)
  rig.clock.now += 100
  // The timer fires by the real clock; by the rig's own it is too early.
  await delay(250)
  t.deepEqual(rig.due, [])
  rig.clock.now += 100
  await until(() => rig.due.length > 0, 'the deadline')
  t.deepEqual(rig.due, ['a'])
})

test('deadlines come in their order, each once', async (t) => {
  using rig = onClock()
  for (const [key, after] of [
    ['late', 500],
    ['soon', 100],
    ['between', 300],
  ] as const)
    rig.deadlines.set(key, rig.clock.now + after)
  for (const expected of [['soon'], ['soon', 'between'], ['soon', 'between', 'late']]) {
    rig.clock.now += 200
    await until(() => rig.due.length === expected.length, expected.at(-1)!)
    t.deepEqual(rig.due, expected)
  }
  rig.clock.now += 10_000
  await delay(120)
  t.is(rig.due.length, 3)
})

test('one in the past is due at once', async (t) => {
  using rig = onClock()
  rig.deadlines.set('past', rig.clock.now - 5000)
  await until(() => rig.due.length > 0, 'the deadline', 2000)
  t.deepEqual(rig.due, ['past'])
})

test('setting again replaces: later, sooner, and the one that was next', async (t) => {
  using rig = onClock()
  rig.deadlines.set('moved', rig.clock.now + 100)
  rig.deadlines.set('moved', rig.clock.now + 100_000)
  rig.deadlines.set('nearer', rig.clock.now + 100_000)
  rig.deadlines.set('nearer', rig.clock.now + 300)
  rig.clock.now += 300
  await until(() => rig.due.length > 0, 'the nearer one')
  t.deepEqual(rig.due, ['nearer'])
  // As if the machine had slept: its timers have not run meanwhile.
  rig.clock.now += 100_000
  await until(() => rig.due.includes('moved'), 'the one that was moved away')
  t.is(rig.due.filter((key) => key === 'moved').length, 1)
})

test('what is deleted never comes, also when it was next', async (t) => {
  using rig = onClock()
  rig.deadlines.set('gone', rig.clock.now + 100)
  rig.deadlines.set('stays', rig.clock.now + 200)
  rig.deadlines.delete('gone')
  rig.deadlines.delete('never-was')
  rig.clock.now += 1000
  await until(() => rig.due.length > 0, 'the one that stays')
  t.deepEqual(rig.due, ['stays'])
})

test('what is due may set and delete others while it is told', async (t) => {
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
  await until(() => due.length === 2, 'the second')
  t.deepEqual(due, ['first', 'second'])
})

test('a deadline beyond what a timer holds does not come early', async (t) => {
  using rig = onClock()
  rig.deadlines.set('in a year', rig.clock.now + 365 * 86_400_000)
  await delay(150)
  t.deepEqual(rig.due, [])
})

test('thousands that come and go cost little', async (t) => {
  using rig = onClock()
  const startedAt = performance.now()
  for (let index = 0; index < 20_000; index++) rig.deadlines.set(`k${index}`, rig.clock.now + 60_000 + index)
  // Oldest first: each was the next one.
  for (let index = 0; index < 20_000; index++) rig.deadlines.delete(`k${index}`)
  t.true(performance.now() - startedAt < 1000, `${performance.now() - startedAt} ms`)
  t.deepEqual(rig.due, [])
})

test('nothing comes after the end', async (t) => {
  const rig = onClock()
  rig.deadlines.set('a', rig.clock.now)
  rig[Symbol.dispose]()
  await delay(120)
  t.deepEqual(rig.due, [])
})
