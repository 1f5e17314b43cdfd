import test from 'ava'
import { RequestBudget } from '../../signaling/request-budget.ts'

test('a burst passes, then the rate holds, then it recovers', (t) => {
  const budget = new RequestBudget(10, 3, 0)
  t.deepEqual(
    [0, 0, 0, 0].map((at) => budget.take(at)),
    [true, true, true, false],
  )
  t.false(budget.take(50))
  t.true(budget.take(160))
  t.false(budget.take(160))
  t.deepEqual(
    [10_000, 10_000, 10_000, 10_000].map((at) => budget.take(at)),
    [true, true, true, false],
  )
})
