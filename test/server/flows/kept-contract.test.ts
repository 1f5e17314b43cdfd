import test from 'ava'
import { KeptContract } from '../../../server/flows/kept-contract.ts'
import { until } from '../../support/until.ts'

test('a contract is renewed at half its life, again where that failed, and no more once it is over', async (t) => {
  let renewals = 0
  const now = () => Date.now()
  using _kept = new KeptContract(
    now() + 2000,
    async () => {
      renewals += 1
      if (renewals === 1) throw new Error('the store is away')
      return now() + 2000
    },
    now,
  )
  await until(() => renewals >= 2, 'a renewal after one that failed')
  let late = 0
  using _over = new KeptContract(now() - 1, async () => ++late, now)
  {
    using _dropped = new KeptContract(now() + 1000, async () => ++late, now)
  }
  await until(() => renewals >= 4, 'two more')
  t.is(late, 0)
})
