import test from 'ava'
import { RestartPace } from '../../../common/supervision/restart-pace.ts'

const pace = () => new RestartPace({ initialMs: 50, maxMs: 300, factor: 2, healthyMs: 10_000 }, () => 1)

test('the first failure in a row waits for nothing, then longer each time up to the most', (t) => {
  const tried = pace()
  t.deepEqual(
    Array.from({ length: 6 }, () => tried.failed(1000)),
    [0, 50, 100, 200, 300, 300],
  )
})

test('a process that was healthy fails for the first time again', (t) => {
  const tried = pace()
  tried.failed(0)
  tried.failed(0)
  t.is(tried.failed(10_001), 0)
  t.is(tried.failed(5000), 50)
})
