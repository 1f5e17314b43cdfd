import test from 'ava'
import { ephemeralKeyring } from '../../../server/store/keyring.ts'
import { Sealer } from '../../../server/store/sealing.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { IssuedIdentity } from '../../../server/tls/issued-identity.ts'
import { type WebhookAlarm, Webhooks, type WebhooksOptions } from '../../../server/webhooks/webhooks.ts'
import { until } from '../../support/until.ts'
import { authRig, Clock, logger, someone } from '../auth/auth-rig.ts'
import { codeOf } from '../auth/code-of.ts'
import { documentedCheck } from './documented-check.ts'
import { receiver } from './receiver.ts'

const verifyDelivery = await documentedCheck()
const fast = { backoff: { initialMs: 5, maxMs: 20, factor: 2 }, timeoutMs: 300 }

async function rig(options: Partial<WebhooksOptions> & { store?: Store } = {}) {
  const stack = new AsyncDisposableStack()
  const store = options.store ?? stack.use(await openMemoryStore())
  const sealer = options.sealer ?? new Sealer(ephemeralKeyring())
  const clock = new Clock()
  const alarms: WebhookAlarm[] = []
  const webhooks = await Webhooks.open({
    store,
    sealer,
    now: clock.now,
    logger,
    hubId: 'hub-1',
    allowedNetworks: ['127.0.0.0/8'],
    limits: fast,
    onAlarm: (alarm) => alarms.push(alarm),
    ...options,
  })
  stack.use(webhooks)
  const pending = () => store.list('webhook-delivery', null)
  return {
    webhooks,
    store,
    sealer,
    clock,
    alarms,
    pending,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const all = { tenant_id: 'acme', events: ['*' as const], by: 'hub' as const }
const live = (stream_id: string, tenant_id = 'acme') =>
  ({ event: 'stream.live', tenant_id, data: { stream_id } }) as const

test('an event is posted, signed, to the webhooks of its tenant that want it', async (t) => {
  await using a = await receiver()
  await using b = await receiver()
  await using c = await receiver()
  await using hub = await rig()
  const { webhook, secret } = await hub.webhooks.create({ ...all, url: a.url })
  await hub.webhooks.create({ ...all, url: b.url, events: ['node.offline'] })
  await hub.webhooks.create({ ...all, url: c.url, tenant_id: 'other' })
  t.is(await hub.webhooks.publish(live('cam-1')), 1)
  const [got] = await until(() => (a.received.length > 0 ? a.received : undefined), 'the delivery')
  const { event_id, ...event } = JSON.parse(got!.body)
  t.deepEqual(event, {
    event: 'stream.live',
    tenant_id: 'acme',
    at: hub.clock.ms,
    data: { stream_id: 'cam-1' },
  })
  t.is(got!.headers['webhook-id'], event_id)
  t.is(got!.headers['content-type'], 'application/json')
  const { headers } = got!
  t.true(verifyDelivery(secret, headers, got!.body, hub.clock.ms))
  t.true(verifyDelivery(secret, headers, got!.body, hub.clock.ms + 299_000))
  t.false(verifyDelivery(secret, headers, got!.body, hub.clock.ms + 302_000))
  t.false(verifyDelivery(secret, headers, `${got!.body} `, hub.clock.ms))
  t.false(verifyDelivery('whsec_other', headers, got!.body, hub.clock.ms))
  t.false(verifyDelivery(secret, { ...headers, 'webhook-id': 'another' }, got!.body, hub.clock.ms))
  t.false(verifyDelivery(secret, { ...headers, 'webhook-signature': 'v1' }, got!.body, hub.clock.ms))
  await until(async () => (await hub.pending()).length === 0, 'nothing waits')
  t.is(b.received.length + c.received.length, 0)
  const stored = JSON.stringify([
    await hub.store.list('webhook', null),
    await hub.store.auditPage(null, { limit: 9 }),
  ])
  t.false(stored.includes(secret))
  t.false(JSON.stringify([webhook, hub.webhooks.list('acme')]).includes('whsec'))
})

test('what fails is tried again, in order, until it arrives', async (t) => {
  await using to = await receiver()
  await using hub = await rig()
  const { webhook } = await hub.webhooks.create({ ...all, url: to.url })
  to.answers.status = 500
  await hub.webhooks.publish(live('cam-1'))
  await hub.webhooks.publish(live('cam-2'))
  await until(() => to.received.length >= 3, 'three attempts')
  t.true(to.events().every(({ data }) => data.stream_id === 'cam-1'))
  t.deepEqual(
    to.received.slice(0, 3).map(({ headers }) => headers['lanecast-attempt']),
    ['1', '2', '3'],
  )
  t.is(typeof (await hub.webhooks.get('acme', webhook.webhook_id)).failing_since, 'number')
  to.answers.status = 200
  await until(async () => (await hub.pending()).length === 0, 'both arrive')
  t.is(to.events().at(-1).data.stream_id, 'cam-2')
  t.is(new Set(to.events().map(({ event_id }) => event_id)).size, 2)
  t.is((await hub.webhooks.get('acme', webhook.webhook_id)).failing_since, null)
})

test('a receiver that hangs costs its time and no more', async (t) => {
  await using to = await receiver()
  await using hub = await rig({ limits: { ...fast, timeoutMs: 50 } })
  await hub.webhooks.create({ ...all, url: to.url })
  to.answers.hang = true
  await hub.webhooks.publish(live('cam-1'))
  await until(() => to.received.length >= 2, 'the second attempt')
  to.answers.hang = false
  await until(async () => (await hub.pending()).length === 0, 'it arrives')
  t.pass()
})

test('undelivered events are delivered after a restart', async (t) => {
  await using to = await receiver()
  await using store = await openMemoryStore()
  const sealer = new Sealer(ephemeralKeyring())
  to.answers.status = 503
  {
    await using hub = await rig({ store, sealer })
    await hub.webhooks.create({ ...all, url: to.url })
    for (const id of ['a', 'b', 'c']) await hub.webhooks.publish(live(id))
    await until(() => to.received.length >= 1, 'an attempt')
  }
  const before = to.received.length
  to.answers.status = 200
  // Another hub on the same database leaves it alone.
  {
    await using other = await rig({ store, sealer, hubId: 'hub-2' })
    t.is((await other.pending()).length, 3)
  }
  t.is(to.received.length, before)
  await using again = await rig({ store, sealer })
  await until(async () => (await again.pending()).length === 0, 'all arrive')
  t.deepEqual(
    to
      .events()
      .slice(before)
      .map(({ data }) => data.stream_id),
    ['a', 'b', 'c'],
  )
})

test('redirects are failures and are not followed', async (t) => {
  await using to = await receiver()
  await using inside = await receiver()
  await using hub = await rig({ limits: { ...fast, maxAttempts: 2 } })
  await hub.webhooks.create({ ...all, url: to.url })
  to.answers.status = 307
  to.answers.headers = { location: inside.url }
  await hub.webhooks.publish(live('cam-1'))
  await until(() => hub.alarms.length > 0, 'it is given up')
  t.is(hub.alarms[0]!.kind, 'given-up')
  t.regex(hub.alarms[0]!.reason, /307: redirects are not followed/)
  t.deepEqual([to.received.length, inside.received.length], [2, 0])
  await until(async () => (await hub.pending()).length === 0, 'it is forgotten')
})

test('a queue is bounded: the oldest that waits gives way', async (t) => {
  await using to = await receiver()
  await using hub = await rig({ limits: { capacity: 3, timeoutMs: 5000 } })
  const { webhook } = await hub.webhooks.create({ ...all, url: to.url })
  to.answers.hang = true
  for (let i = 0; i < 6; i += 1) await hub.webhooks.publish(live(`cam-${i}`))
  t.is((await hub.webhooks.get('acme', webhook.webhook_id)).waiting, 3)
  t.deepEqual(
    hub.alarms.map(({ kind }) => kind),
    ['displaced', 'displaced', 'displaced'],
  )
  const kept = (await hub.pending()).map(({ body }) => JSON.stringify(body).match(/cam-\d/)?.[0])
  t.deepEqual(kept, ['cam-0', 'cam-4', 'cam-5'])
})

test('a webhook that failed for long, or whose receiver is gone, is turned off and says so', async (t) => {
  await using to = await receiver()
  await using hub = await rig()
  const { webhook } = await hub.webhooks.create({ ...all, url: to.url })
  to.answers.status = 500
  await hub.webhooks.publish(live('cam-1'))
  await until(() => to.received.length >= 3, 'attempts fail')
  t.true(hub.webhooks.list('acme')[0]!.enabled)
  hub.clock.pass(25 * 3600)
  await until(() => hub.alarms.some(({ kind }) => kind === 'disabled'), 'it is turned off')
  t.like(hub.webhooks.list('acme')[0], {
    enabled: false,
    disabled_reason: 'nothing arrived for long: it answered 500',
  })
  await until(async () => (await hub.pending()).length === 0, 'what waited is forgotten')
  t.is(await hub.webhooks.publish(live('cam-1')), 0)
  t.is(await codeOf(hub.webhooks.sendTest('acme', webhook.webhook_id)), '409 webhook_disabled')

  to.answers.status = 410
  const on = await hub.webhooks.update('acme', webhook.webhook_id, { enabled: true }, someone('operator'))
  t.like(on, { enabled: true, disabled_reason: null, failing_since: null })
  await hub.webhooks.sendTest('acme', webhook.webhook_id)
  await until(() => !hub.webhooks.list('acme')[0]!.enabled, 'it is turned off at once')
  const trail = await hub.store.auditPage('acme', { limit: 20 })
  t.deepEqual(
    trail.map(({ action, actor }) => `${actor} ${action}`),
    ['hub webhook.create', 'hub webhook.disable', 'user:the-operator webhook.update', 'hub webhook.disable'],
  )
})

test('a replaced secret signs for another day', async (t) => {
  await using to = await receiver()
  await using hub = await rig()
  const { webhook, secret } = await hub.webhooks.create({ ...all, url: to.url })
  const next = await hub.webhooks.rotateSecret('acme', webhook.webhook_id, 'hub')
  const signedBy = async () => {
    to.received.length = 0
    await hub.webhooks.sendTest('acme', webhook.webhook_id)
    const [got] = await until(() => (to.received.length > 0 ? to.received : undefined), 'the test')
    return [next, secret].map((one) => verifyDelivery(one, got!.headers, got!.body, hub.clock.ms))
  }
  t.deepEqual(await signedBy(), [true, true])
  hub.clock.pass(25 * 3600)
  t.deepEqual(await signedBy(), [true, false])
})

test("a receiver's certificate is checked", async (t) => {
  await using owner = await authRig()
  const { authorities } = owner.auth
  await using identity = await IssuedIdentity.open({ authorities, bind: '127.0.0.1', names: [], logger })
  const { certificate: cert, key } = identity.current
  await using to = await receiver({ cert, key })
  {
    await using strict = await rig({ limits: { ...fast, maxAttempts: 1 } })
    await strict.webhooks.create({ ...all, url: to.url })
    await strict.webhooks.publish(live('cam-1'))
    await until(() => strict.alarms.length > 0, 'it is given up')
    t.regex(strict.alarms[0]!.reason, /CERT|SELF_SIGNED|VERIFY/)
    t.is(to.received.length, 0)
  }
  await using trusting = await rig({ ca: authorities.trusted().join('') })
  await trusting.webhooks.create({ ...all, url: to.url })
  await trusting.webhooks.publish(live('cam-1'))
  await until(() => to.received.length === 1, 'it arrives')
})

test('webhooks are seen and changed by their tenant alone', async (t) => {
  await using to = await receiver()
  await using hub = await rig()
  const { webhook } = await hub.webhooks.create({ ...all, url: to.url })
  const id = webhook.webhook_id
  for (const work of [
    hub.webhooks.get('other', id),
    hub.webhooks.update('other', id, { enabled: false }, 'hub'),
    hub.webhooks.remove('other', id, 'hub'),
    hub.webhooks.rotateSecret('other', id, 'hub'),
    hub.webhooks.sendTest('other', id),
    hub.webhooks.get('acme', '__proto__'),
  ])
    t.is(await codeOf(work), '404 webhook_not_found')
  t.deepEqual(hub.webhooks.list('other'), [])
  t.is(await codeOf(hub.webhooks.update('acme', id, { description: 'x' }, 'hub', 9)), '412 version_conflict')
  t.is((await hub.webhooks.update('acme', id, { description: 'x' }, 'hub', 1)).version, 2)
  await hub.webhooks.remove('acme', id, 'hub')
  t.is(await hub.webhooks.publish(live('cam-1')), 0)
  for (let i = 0; i < 20; i += 1) await hub.webhooks.create({ ...all, url: to.url })
  t.is(await codeOf(hub.webhooks.create({ ...all, url: to.url })), '409 too_many_webhooks')
})
