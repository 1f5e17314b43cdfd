import test from 'ava'
import { BufferTuner } from '../../../sfu/ingress/buffer-tuner.ts'

const FOCUS = { minMs: 50, maxMs: 120, rttMultiple: 4 }

test('a short path keeps the least buffer', (t) => {
  const tuner = new BufferTuner(FOCUS, 50)
  for (let second = 0; second < 100; second += 1) t.false(tuner.observe({ rttMs: 10, lost: 0 }))
  t.is(tuner.bufferMs, 50)
})

test('a flow that begins over a longer path gets its buffer once the RTT has settled', (t) => {
  const tuner = new BufferTuner(FOCUS, 50)
  t.false(tuner.observe({ rttMs: 14, lost: 0 }))
  t.true(tuner.observe({ rttMs: 25, lost: 0 }))
  t.is(tuner.bufferMs, 100)
})

test('it never leaves its class, whatever the RTT', (t) => {
  const tuner = new BufferTuner(FOCUS, 50)
  tuner.observe({ rttMs: 900, lost: 0 })
  t.true(tuner.observe({ rttMs: 900, lost: 0 }))
  t.is(tuner.bufferMs, 120)
})

test('a stream that plays is interrupted only for loss, and at most every 30 s', (t) => {
  const tuner = new BufferTuner(FOCUS, 50)
  for (let second = 0; second < 10; second += 1) tuner.observe({ rttMs: 10, lost: 0 })
  t.false(tuner.observe({ rttMs: 20, lost: 0 }))
  t.true(tuner.observe({ rttMs: 20, lost: 3 }))
  t.is(tuner.bufferMs, 80)
  let changes = 0
  for (let second = 0; second < 60; second += 1)
    if (tuner.observe({ rttMs: second % 2 === 0 ? 20 : 30, lost: 1 })) changes += 1
  t.is(changes, 1)
  t.is(tuner.bufferMs, 120)
})

test('it does not shrink under a stream that plays; a new flow is measured again', (t) => {
  const tuner = new BufferTuner(FOCUS, 120)
  for (let second = 0; second < 2; second += 1) tuner.observe({ rttMs: 30, lost: 0 })
  for (let second = 0; second < 60; second += 1) t.false(tuner.observe({ rttMs: 10, lost: 1 }))
  tuner.restart()
  tuner.observe({ rttMs: 10, lost: 0 })
  t.true(tuner.observe({ rttMs: 10, lost: 0 }))
  t.is(tuner.bufferMs, 50)
})

test("a new sender's losses are answered at once, however long the one before had played", (t) => {
  const tuner = new BufferTuner(FOCUS, 50)
  for (let second = 0; second < 100; second += 1) tuner.observe({ rttMs: 10, lost: 0 })
  t.true(tuner.observe({ rttMs: 20, lost: 3 }))
  tuner.restart()
  for (let second = 0; second < 3; second += 1) tuner.observe({ rttMs: 20, lost: 0 })
  t.true(tuner.observe({ rttMs: 30, lost: 3 }))
  t.is(tuner.bufferMs, 120)
})
