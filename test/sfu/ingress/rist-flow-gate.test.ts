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
  t.false(gate.lostAt(10_000, false))
  gate.judge(2, 0)
  t.false(gate.lostAt(LOST_MS - 1, false))
  t.true(gate.lostAt(LOST_MS, false))
  t.false(gate.lostAt(LOST_MS + 1, false))
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

test('a flow that makes pauses is lost when it stays away for longer, or when its sender is gone', (t) => {
  const gate = new FlowGate()
  for (let second = 0; second < 10; second++) {
    for (let ms = 0; ms < 40; ms += 10) gate.judge(2, second * 1500 + ms)
    t.false(gate.lostAt(second * 1500 + 1499, true))
  }
  t.is(gate.judge(4, 15_000), 'refused', 'a second sender, between two pictures')
  t.true(gate.lostAt(15_000, false))
  const left = new FlowGate()
  for (let second = 0; second < 10; second++) left.judge(2, second * 1500)
  t.false(left.lostAt(13_500 + 4400, true))
  t.true(left.lostAt(13_500 + 4500, true))
})
