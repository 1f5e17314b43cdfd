import test from 'ava'
import { ALIVE_MS, FlowGate, LOST_MS, StallFreeClock } from '../../../sfu/ingress/rist-flow-gate.ts'

test('the first flow is the stream', (t) => {
  const gate = new FlowGate()
  t.is(gate.flowId, undefined)
  t.is(gate.judge(2, 0), 'connected')
  t.is(gate.judge(2, 10), 'deliver')
  t.is(gate.flowId, 2)
})

test('another flow is refused while the first delivers', (t) => {
  const gate = new FlowGate()
  gate.judge(2, 0)
  t.is(gate.judge(4, ALIVE_MS - 1), 'refused')
  t.is(gate.judge(2, ALIVE_MS), 'deliver')
  t.is(gate.judge(4, 2 * ALIVE_MS - 1), 'refused')
  t.is(gate.flowId, 2)
})

test('another flow takes over once the first is silent, and keeps the first out', (t) => {
  const gate = new FlowGate()
  gate.judge(2, 0)
  t.is(gate.judge(4, ALIVE_MS), 'replaced')
  t.is(gate.judge(2, ALIVE_MS + 1), 'refused')
  t.is(gate.judge(4, ALIVE_MS + 2), 'deliver')
})

test('a silent flow is lost once, and its return is told', (t) => {
  const gate = new FlowGate()
  t.false(gate.lostAt(10_000))
  gate.judge(2, 0)
  t.false(gate.lostAt(LOST_MS - 1))
  t.true(gate.lostAt(LOST_MS))
  t.false(gate.lostAt(LOST_MS + 1))
  t.is(gate.judge(2, LOST_MS + 2), 'returned')
  t.is(gate.judge(2, LOST_MS + 3), 'deliver')
})

test('a stall of the event loop is no silence', (t) => {
  const clock = new StallFreeClock(0, 100)
  clock.tick(100)
  t.is(clock.at(150), 150)
  t.is(clock.at(5000), 200)
  clock.tick(5000)
  t.is(clock.at(5050), 250)
})
