import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { WEBHOOK_EVENTS } from '../../../common/wire/webhook.ts'
import { signDelivery } from '../../../server/webhooks/signature.ts'
import { WEBHOOK_LIMITS } from '../../../server/webhooks/webhooks.ts'
import { documentedCheck } from './documented-check.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/webhooks.md'), 'utf8')

test('a delivery is signed as the reference library of Standard Webhooks signs it', (t) => {
  const delivery = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  }
  t.is(
    signDelivery(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], delivery),
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  )
})

test('the check that the page shows works', async (t) => {
  const isOurs = await documentedCheck()
  const [timestamp, body] = [1_614_265_330, '{"a":1}']
  const [fresh, old, other] = ['whsec_bmV3', 'whsec_b2xk', 'whsec_b3RoZXI=']
  const now = timestamp * 1000
  const headers = {
    'webhook-id': 'e1',
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signDelivery([fresh, old], { id: 'e1', timestamp, body }),
  }
  t.true(isOurs(fresh, headers, body, now + 299_000) && isOurs(old, headers, body, now))
  t.false(isOurs(fresh, headers, '{"a":2}', now))
  t.false(isOurs(other, headers, body, now))
  t.false(isOurs(fresh, headers, body, now + 302_000))
  t.false(isOurs(fresh, {}, body, now))
})

test('the page names every event and the limits that hold', (t) => {
  for (const event of WEBHOOK_EVENTS) t.true(page.includes(`\`${event}\``), event)
  t.true(page.includes(`${WEBHOOK_LIMITS.maxAttempts} times`))
  t.true(page.includes(`At most ${WEBHOOK_LIMITS.capacity} wait`))
  t.true(page.includes(`within ${WEBHOOK_LIMITS.timeoutMs / 1000} s`))
  t.true(page.includes(`for ${WEBHOOK_LIMITS.disableAfterMs / 3_600_000} h`))
})
