import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { WEBHOOK_EVENTS } from '../../../common/wire/webhook.ts'
import { signDelivery } from '../../../server/webhooks/signature.ts'
import { WEBHOOK_LIMITS } from '../../../server/webhooks/webhooks.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/webhooks.md'), 'utf8')

test('the check that the page shows works', async (t) => {
  const code = /```js\n([\s\S]+?)```/.exec(page)?.[1] ?? ''
  const module: unknown = await import(`data:text/javascript,${encodeURIComponent(code)}`)
  const { isOurs } = z
    .object({ isOurs: z.custom<(...of: [string, string, string, number]) => boolean>() })
    .parse(module)
  const now = Date.now()
  const header = signDelivery(['new', 'old'], '{"a":1}', now)
  t.true(isOurs('new', header, '{"a":1}', now + 299_000) && isOurs('old', header, '{"a":1}', now))
  t.false(isOurs('new', header, '{"a":2}', now))
  t.false(isOurs('other', header, '{"a":1}', now))
  t.false(isOurs('new', header, '{"a":1}', now + 302_000))
  t.false(isOurs('new', '', '{"a":1}', now))
})

test('the page names every event and the limits that hold', (t) => {
  for (const event of WEBHOOK_EVENTS) t.true(page.includes(`\`${event}\``), event)
  t.true(page.includes(`${WEBHOOK_LIMITS.maxAttempts} times`))
  t.true(page.includes(`At most ${WEBHOOK_LIMITS.capacity} wait`))
  t.true(page.includes(`within ${WEBHOOK_LIMITS.timeoutMs / 1000} s`))
  t.true(page.includes(`for ${WEBHOOK_LIMITS.disableAfterMs / 3_600_000} h`))
})
