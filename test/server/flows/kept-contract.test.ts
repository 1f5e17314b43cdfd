import test from 'ava'
import { KeptContract } from '../../../server/flows/kept-contract.ts'
import { SetClock } from '../../support/set-clock.ts'
import { until } from '../../support/until.ts'

test('a contract is renewed at half its life, again where that failed, and no more once it is over', async (t) => {
  let renewals = 0
  const clock = new SetClock()
  const now = () => clock.wall()
  using _kept = new KeptContract(
    now() + 2000,
    async () => {
      renewals += 1
      if (renewals === 1) throw new Error('the store is away')
      return now() + 2000
    },
    clock,
  )
  await until(() => renewals >= 2, 'a renewal after one that failed')
  let late = 0
  using _over = new KeptContract(now() - 1, async () => ++late, clock)
  {
    using _dropped = new KeptContract(now() + 1000, async () => ++late, clock)
  }
  await until(() => renewals >= 4, 'two more')
  t.is(late, 0)
})

test('a renewal that fails is tried again, whatever the clock was set to', async (t) => {
  for (const stepMs of [1_200_000, -1_200_000]) {
    const clock = new SetClock()
    let renewals = 0
    using _kept = new KeptContract(
      clock.wall() + 2000,
      async () => {
        renewals += 1
        if (renewals === 1) throw new Error('the store is away')
        return clock.wall() + 2000
      },
      clock,
    )
    clock.aheadMs += stepMs
    await until(() => renewals >= 3, `renewals after a step of ${stepMs} ms`, 6000)
    t.true(renewals < 5)
  }
})
