import test from 'ava'
import { RollingShare } from '../../../server/topology/rolling-share.ts'
import { ERROR_BUDGET, SloTracker } from '../../../server/topology/slo.ts'
import { Seeded } from '../../policy/seeded.ts'
import { T0 } from './world.ts'

test('a rolling share agrees with counting everything, but for one bucket', (t) => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = new Seeded(seed)
    const [windowMs, buckets] = [60_000, 12]
    const share = new RollingShare(windowMs, buckets)
    const all: { at: number; bad: boolean }[] = []
    let now = T0
    for (let round = 0; round < 300; round += 1) {
      now += random.chance(0.02) ? random.int(0, 200_000) : random.int(0, 900)
      const each = { at: now - random.int(0, 5000), bad: random.chance(0.2) }
      all.push(each)
      share.add(each.bad, each.at)
      const read = share.read(now)
      const within = (ms: number) => all.filter(({ at }) => at > now - ms).length
      t.true(read.count >= within(windowMs - windowMs / buckets) && read.count <= within(windowMs))
      t.true(read.bad <= read.count && read.badShare >= 0 && read.badShare <= 1)
    }
  }
})

const watched = (viewer: string, more: object = {}) =>
  ({ tenantId: 'a', streamId: 'cam-1', streamClass: 'focus', viewer, ...more }) as const

test('burn says how fast the budget of one in twenty is used up', (t) => {
  const slo = new SloTracker((tenantId) => (tenantId === 'a' ? 200 : 500))
  for (let index = 0; index < 100; index += 1) {
    slo.record(watched(`v${index}`), index < 10 ? 250 : 120, T0)
    slo.record(watched(`w${index}`, { tenantId: 'b' }), index < 10 ? 250 : 120, T0)
  }
  const burns = new Map(slo.levels(T0).map(({ tenantId, burn }) => [tenantId, burn]))
  t.deepEqual(
    burns,
    new Map([
      ['a', 0.1 / ERROR_BUDGET],
      ['b', 0],
    ]),
    'each by its own target',
  )
  const focus = slo.burns(T0).filter(({ streamClass }) => streamClass === 'focus')
  t.deepEqual(
    focus.map(({ window, burn }) => [window, burn]),
    [
      ['5m', 1],
      ['1h', 1],
    ],
  )
  t.is(slo.burns(T0 + 400_000).find(({ window }) => window === '5m')?.burn, 0)
  t.is(
    slo.burns(T0 + 400_000).find(({ window, streamClass }) => window === '1h' && streamClass === 'focus')
      ?.burn,
    1,
  )
})

test('too few reports say nothing, and one viewer can’t make them many', (t) => {
  const slo = new SloTracker(() => 200)
  for (let at = T0; at < T0 + 5000; at += 10) slo.record(watched('loud'), 900, at)
  t.is(slo.levels(T0 + 5000)[0]?.count, 10)
  t.is(slo.levels(T0 + 5000)[0]?.burn, null)
  t.true(slo.misses('a', 'cam-1', T0 + 5000))
  t.false(slo.misses('b', 'cam-1', T0 + 5000), 'tenants apart')
})

test('a class without a target has no level', (t) => {
  const slo = new SloTracker((_tenantId, streamClass) => (streamClass === 'bulk' ? null : 200))
  slo.record(watched('v1', { streamClass: 'bulk' }), 9000, T0)
  t.deepEqual(slo.levels(T0), [])
})

test('who is gone is forgotten', (t) => {
  const slo = new SloTracker(() => 200)
  for (let index = 0; index < 50; index += 1) slo.record(watched(`v${index}`), 900, T0)
  t.true(slo.misses('a', 'cam-1', T0))
  slo.sweep(T0 + 61_000)
  t.false(slo.misses('a', 'cam-1', T0 + 61_000))
  slo.sweep(T0 + 8_000_000)
  t.deepEqual(slo.levels(T0 + 8_000_000), [])
})
