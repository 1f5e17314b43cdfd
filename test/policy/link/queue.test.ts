import test from 'ava'
import { drainingMs } from '../../../policy/link/queue.ts'

test('a queue is as long as the last picture was late, and what came on top since', (t) => {
  // 4.8 Mb/s on 1.2: a picture seen 160 ms late was sent 210 ms ago, and each of these ms made the queue 3 ms longer.
  const queuedMs = 160 + 210 * 3
  t.true(drainingMs({ pace: 0.25, lateMs: 160 }) < queuedMs)
  t.true(drainingMs({ pace: 0.25, lateMs: 160 }) > queuedMs * 0.7)
})

test('a queue that nobody saw, or that hardly grows, is not waited for', (t) => {
  t.is(drainingMs({ pace: 0.25, lateMs: 0 }), 0)
  t.true(drainingMs({ pace: 0.95, lateMs: 20 }) < 25)
})

test('no queue is waited for longer than a second', (t) => {
  t.is(drainingMs({ pace: 0.01, lateMs: 30_000 }), 1_000)
})
