import test from 'ava'
import { addressKey } from '../../../server/auth/address-key.ts'
import { RateLimits } from '../../../server/auth/rate-limits.ts'
import { until } from '../../support/until.ts'

test('a token and an address are limited each for itself, and told when to come back', async (t) => {
  const limits = new RateLimits({
    principal: { points: 3, seconds: 60 },
    address: { points: 6, seconds: 60 },
  })
  for (let i = 0; i < 3; i += 1) t.deepEqual(await limits.take('jwt:a', '192.0.2.1', 'read'), { ok: true })
  const refused = await limits.take('jwt:a', '192.0.2.1', 'read')
  t.true(!refused.ok && refused.retry_after_s >= 59 && refused.retry_after_s <= 60)
  t.true((await limits.take('jwt:b', '192.0.2.1', 'write')).ok)
  t.true((await limits.take(null, '192.0.2.1', 'read')).ok)
  t.false((await limits.take(null, '::ffff:192.0.2.1', 'read')).ok)
  t.true((await limits.take(null, '192.0.2.2', 'read')).ok)
})

test('batches cost by what is in them', async (t) => {
  const limits = new RateLimits({ principal: { points: 10, seconds: 60 } })
  t.true((await limits.take('node:a', '::1', 'telemetry', 50)).ok)
  t.true((await limits.take('node:a', '::1', 'telemetry', 50)).ok)
  t.false((await limits.take('node:a', '::1', 'telemetry')).ok)
})

test('proofs that fail are limited more strictly, and good ones are not', async (t) => {
  const limits = new RateLimits()
  const answers = []
  for (let i = 0; i < 21; i += 1) answers.push((await limits.failedAuthentication('192.0.2.1')).ok)
  t.deepEqual(answers, [...Array.from({ length: 20 }, () => true), false])
  t.true((await limits.take('jwt:a', '192.0.2.1', 'read')).ok)
  t.true((await limits.failedAuthentication('192.0.2.2')).ok)
})

test('a window ends', async (t) => {
  const limits = new RateLimits({ address: { points: 1, seconds: 1 } })
  t.true((await limits.take(null, '192.0.2.1', 'read')).ok)
  t.false((await limits.take(null, '192.0.2.1', 'read')).ok)
  await until(async () => (await limits.take(null, '192.0.2.1', 'read')).ok, 'the window ends', 3000)
})

test('with too many addresses the last ones share counters, and the known ones keep theirs', async (t) => {
  const limits = new RateLimits({ address: { points: 2, seconds: 60 }, maxKeys: 100 })
  for (let i = 0; i < 100; i += 1) t.true((await limits.take(null, `10.0.0.${i}`, 'read')).ok)
  let refused = 0
  for (let i = 0; i < 5000; i += 1)
    if (!(await limits.take(null, `10.1.${i >> 8}.${i & 255}`, 'read')).ok) refused += 1
  t.true(refused >= 5000 - 256 * 2, `${refused} refused`)
  t.true((await limits.take(null, '10.0.0.5', 'read')).ok)
})

test('an IPv6 address counts by its /64', (t) => {
  const keys = {
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:0DB8:1:2::1': '2001:db8:1:2::/64',
    '2001:db8::1': '2001:db8:0:0::/64',
    '::ffff:192.0.2.7': '192.0.2.7',
    '192.0.2.7': '192.0.2.7',
    '::1': '0:0:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    '64:ff9b::192.0.2.7': '64:ff9b:0:0::/64',
    '': '',
  }
  for (const [address, key] of Object.entries(keys)) t.is(addressKey(address), key, address)
})
