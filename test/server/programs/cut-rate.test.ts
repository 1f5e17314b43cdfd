import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { CUT_RATE, CutRate } from '../../../server/programs/cut-rate.ts'

const taken = (rate: CutRate, asker: string, now: number): boolean => {
  try {
    rate.take(asker, now)
    return true
  } catch (error) {
    return !(error instanceof CodedError && error.code === 'too_many_requests')
  }
}

test('a thousand cuts a second: most of them are refused, and others cut as before', (t) => {
  const rate = new CutRate()
  let count = 0
  for (let n = 0; n < 5000; n += 1) if (taken(rate, 'a', n)) count += 1
  t.is(count, CUT_RATE.burst + 5 * CUT_RATE.perSecond - 1)
  t.true(taken(rate, 'b', 5000))
})

test('askers that come and go leave nothing behind, and many of them share', (t) => {
  const rate = new CutRate()
  let count = 0
  for (let n = 0; n < 10_000; n += 1) if (taken(rate, `x${n}`, 0)) count += 1
  t.is(count, 4096 + CUT_RATE.burst)
  t.true(taken(rate, 'y', 2000))
  t.true(taken(rate, 'x9999', 2000))
})
