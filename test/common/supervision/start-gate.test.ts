import test from 'ava'
import { StartGate } from '../../../common/supervision/start-gate.ts'

/** A gate whose visitors are written down as they enter. */
function gateOf(few: number) {
  const gate = new StartGate(few)
  const entered: string[] = []
  const visit = (name: string, urgent: boolean, signal = new AbortController().signal) =>
    gate.take(urgent, signal).then((place) => {
      entered.push(name)
      return place
    })
  return { gate, entered, visit }
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('a few enter at a time, in turn', async (t) => {
  const { entered, visit } = gateOf(2)
  const [a, b, c] = [visit('a', false), visit('b', false), visit('c', false)]
  await settled()
  t.deepEqual(entered, ['a', 'b'])
  ;(await a)[Symbol.dispose]()
  // Twice is once.
  ;(await a)[Symbol.dispose]()
  const d = visit('d', false)
  await c
  await settled()
  t.deepEqual(entered, ['a', 'b', 'c'])
  ;(await b)[Symbol.dispose]()
  await settled()
  await d
  t.deepEqual(entered, ['a', 'b', 'c', 'd'])
})

test('an urgent one goes before those that wait, and has places of its own, as few', async (t) => {
  const { entered, visit } = gateOf(2)
  const first = [visit('a', false), visit('b', false), visit('c', false)]
  for (const name of ['u', 'v', 'w']) void visit(name, true)
  await settled()
  t.deepEqual(entered, ['a', 'b', 'u', 'v'])
  ;(await first[0]!)[Symbol.dispose]()
  await settled()
  t.deepEqual(entered, ['a', 'b', 'u', 'v', 'w'])
})

test('who gives up does not wait any more', async (t) => {
  const { gate, entered, visit } = gateOf(1)
  const a = await visit('a', false)
  const closing = new AbortController()
  const b = t.throwsAsync(visit('b', false, closing.signal), { name: 'AbortError' })
  const c = visit('c', false)
  closing.abort()
  await b
  a[Symbol.dispose]()
  await c
  t.deepEqual(entered, ['a', 'c'])
  t.throws(() => gate.take(false, closing.signal), { name: 'AbortError' })
})
