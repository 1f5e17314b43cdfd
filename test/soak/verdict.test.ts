import test from 'ava'
import { errorKinds, unexpectedKinds } from './hub-errors.ts'
import { type Measured, QUANTITY_NAMES, type Sample } from './measure.ts'
import { readOptions } from './soak-options.ts'
import { type Evidence, judge, verdictText } from './verdict.ts'

const sample = (more: Partial<Measured> = {}, timersByPlace: Record<string, number> = {}): Sample => {
  const values = Object.fromEntries(QUANTITY_NAMES.map((name) => [name, 10]))
  return { values: { ...values, ...more } as Measured, timersByPlace, handlesByKind: {} }
}
const evidence = (end: Sample, more: Partial<Evidence> = {}): Evidence => ({
  baseline: sample({}, { 'sfu/lane.ts:1': 3 }),
  end,
  peaks: { transports: 90 },
  actions: new Map(),
  unexpectedErrors: [],
  notWell: [],
  ...more,
})

test('a router that was given back is clean', (t) => {
  const verdict = judge(evidence(sample()))
  t.true(verdict.clean)
  t.regex(verdictText(verdict), /^transports +10 +90 +10 +16$/m)
  t.regex(verdictText(verdict), /\nclean\n$/)
})

test('what leaked is named, and so is where it was made', (t) => {
  const verdict = judge(evidence(sample({ transports: 17, timers: 40 }, { 'sfu/lane.ts:1': 33 })))
  t.false(verdict.clean)
  t.deepEqual(verdict.problems, [
    'transports: 10 before, 17 after, 16 allowed',
    'timers: 10 before, 40 after, 22 allowed (sfu/lane.ts:1 +30)',
  ])
  t.regex(verdictText(verdict), /^transports .* LEAKED$/m)
})

test('what never worked, what the hub did not mean to log and what did not come back is not clean', (t) => {
  const actions = new Map([
    ['watch', { done: 3, failed: 2, lastError: 'no worker' }],
    ['publish', { done: 0, failed: 2, lastError: 'no worker' }],
  ])
  const { problems } = judge(
    evidence(sample(), { actions, unexpectedErrors: ['store: odd'], notWell: ['not live: cam-1'] }),
  )
  t.deepEqual(problems, [
    'publish never worked (2 times): no worker',
    "an error in the hub's log: store: odd",
    'not live: cam-1',
  ])
})

test('errors are counted by kind, and those that kills explain are expected', (t) => {
  const kinds = errorKinds([
    { level: 'error', msg: 'media worker died; starting another', worker_pid: 7 },
    { level: 'error', msg: 'media worker died; starting another', worker_pid: 8 },
    { level: 'error', stage: 'store', kind: 'write', msg: 'contract c-0123456789abcdef was lost' },
    { level: 'error', stage: 'http', kind: 'no_worker', msg: 'no media worker is up; try again in a second' },
    { level: 'warn', msg: 'something else' },
    { level: 'raw', msg: 'TypeError: x is not a function' },
  ])
  t.deepEqual(Object.fromEntries(kinds), {
    'media worker died; starting another': 2,
    'store write: contract c-N was lost': 1,
    'http no_worker: no media worker is up; try again in a second': 1,
    'TypeError: x is not a function': 1,
  })
  t.is(unexpectedKinds(kinds).length, 2)
})

test('options', (t) => {
  t.like(readOptions(['--minutes', '20', '--seed', 'x', '--json']), { minutes: 20, seed: 'x', json: true })
  t.is(readOptions(['--help']), null)
  t.throws(() => readOptions(['--minutes', '0']), { message: /0\.2 to 10000/ })
  t.throws(() => readOptions(['--hours', '1']))
})
