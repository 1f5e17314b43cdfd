import test, { type ExecutionContext } from 'ava'
import { CodedError } from '../../../common/errors.ts'
import type { PolicyDocument } from '../../../common/wire/policy-document.ts'
import { effectivePolicy } from '../../../policy/effective.ts'
import { TopologyGraph } from '../../../policy/paths/graph.ts'
import { ALL_GRANTS, type AuthenticatedPrincipal } from '../../../server/auth/principal.ts'
import { DecisionBook } from '../../../server/flows/decision-book.ts'
import { PublisherFlows } from '../../../server/flows/publisher-flows.ts'
import { StandingSubscriptions } from '../../../server/flows/standing-subscriptions.ts'
import { ViewerFlows } from '../../../server/flows/viewer-flows.ts'
import { ephemeralKeyring } from '../../../server/store/keyring.ts'
import { Sealer } from '../../../server/store/sealing.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { ConsumerCensus } from '../../../sfu/consumer-census.ts'
import { Stream } from '../../../sfu/stream.ts'
import { node } from '../../policy/makers.ts'
import { openRelays } from '../../support/local-relays.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { SetClock } from '../../support/set-clock.ts'
import { until } from '../../support/until.ts'
import { flowOf } from './flow-of.ts'

/** Shorter than a tenant's policy may say: renewals and ends are waited for. */
const LIFE_S = 2
const ALICE: AuthenticatedPrincipal = {
  id: 'alice',
  role: 'viewer',
  tenant_id: 't1',
  node_id: null,
  grants: ALL_GRANTS,
  credential: 'jwt',
  token_id: 'token-1',
  expires_at: null,
}
const WISH = { stream_id: 'cam-1', purpose: 'record', class: 'director', max_kbps: 900 } as const

/** Subscriptions over a real store in memory, and streams without media. */
async function openRig(t: ExecutionContext) {
  const memory = await openMemoryStore()
  t.teardown(() => memory[Symbol.asyncDispose]())
  const failing: { with: CodedError | null } = { with: null }
  const store: Store = new Proxy(memory, {
    get: (target, name) =>
      name === 'write' && failing.with
        ? () => Promise.reject(failing.with)
        : Reflect.get(target, name).bind?.(target),
  })
  const clock = new SetClock()
  const relays = await openRelays()
  t.teardown(() => relays[Symbol.asyncDispose]())
  const streams = new Map<string, Stream>()
  const graph = new TopologyGraph()
  graph.putNode(node('hub', 'hub'))
  const policy: { document: PolicyDocument } = { document: {} }
  const errors: unknown[] = []
  const running: string[] = []
  const dependencies = {
    placement: {
      forLane: () => undefined,
      takeForViewer: () => {
        throw new Error('nobody watches')
      },
    },
    relays,
    census: new ConsumerCensus(),
    events: recordEvents().events,
  }
  const publishers = new PublisherFlows({
    clock,
    store: memory,
    sealer: new Sealer(ephemeralKeyring()),
    hubId: 'hub',
    media: {
      open: ({ contract: { tenant_id, stream_id } }) => {
        const spec = { tenantId: tenant_id, streamId: stream_id, streamClass: 'focus' } as const
        streams.set(`${tenant_id}/${stream_id}`, new Stream(spec, dependencies))
        subscriptions.now.streamOpened(tenant_id, stream_id)
      },
      close: async ({ contract: { tenant_id, stream_id } }) => {
        streams.delete(`${tenant_id}/${stream_id}`)
        subscriptions.now.streamClosed(tenant_id, stream_id)
      },
    },
    watcher: { running: () => {}, over: () => {}, tell: () => {} },
    onError: (error) => errors.push(error),
  })
  t.teardown(() => publishers[Symbol.dispose]())
  const viewers = new ViewerFlows({ get: () => undefined }, clock)
  t.teardown(() => viewers[Symbol.dispose]())
  const decisions = new DecisionBook({
    hubId: 'hub',
    topology: graph,
    policyOf: (tenantId) =>
      effectivePolicy(tenantId, { limits: { contract_seconds: LIFE_S }, ...policy.document }, 1),
    publishers,
    viewers,
    workersFull: () => null,
    clock,
  })
  const open = async (hubId = 'hub') => {
    const opened = new StandingSubscriptions({
      store,
      hubId,
      clock,
      streams: { get: (tenantId, streamId) => streams.get(`${tenantId}/${streamId}`) },
      onError: (error) => errors.push(error),
    })
    t.teardown(() => opened[Symbol.dispose]())
    opened.serve('record', (stream, abr) => {
      const name = stream.spec.streamId
      running.push(`${name} at ${abr.max_kbps}`)
      return {
        bound: ({ max_kbps }) => void running.push(`${name} to ${max_kbps}`),
        [Symbol.dispose]: () => void running.push(`${name} stops`),
      }
    })
    await opened.start({ decisions, noteDecision: async () => {} })
    return opened
  }
  const subscriptions = { now: await open() }
  const publish = () =>
    publishers.begin(flowOf('c1'), {
      tenant_id: 't1',
      at: 1,
      actor: 'user:bob',
      action: 'publish',
      object: 'stream/cam-1',
      outcome: 'grant',
      detail: {},
    })
  const trail = async () =>
    (await memory.auditPage('t1', { limit: 100 })).map(({ action, outcome }) => `${action} ${outcome}`)
  const stored = async () => (await memory.list('subscription', null)).map(({ id }) => id)
  return {
    subscriptions,
    open,
    publish,
    publishers,
    streams,
    clock,
    policy,
    failing,
    running,
    errors,
    trail,
    stored,
  }
}

test('a subscription waits for its stream, is renewed by itself, and stops with its stream', async (t) => {
  const rig = await openRig(t)
  const { now } = rig.subscriptions
  const added = await now.add(ALICE, 't1', WISH)
  t.like(added, { contract: null, running: false, owner: 'user:alice' })
  t.regex(added.refusal ?? '', /no stream "cam-1"/)
  await rig.publish()
  await until(() => rig.running.length === 1, 'it runs')
  t.deepEqual(rig.running, ['cam-1 at 900'])
  t.is(rig.streams.get('t1/cam-1')?.viewers, 0)
  const [first] = now.list()
  t.like(first, { running: true, refusal: null })
  await until(() => now.list()[0]!.contract!.expiresAt > first!.contract!.expiresAt, 'the next contract')
  t.is(rig.running.length, 1, 'without a break')

  await rig.publishers.end('c1', 'revoked', 'user:bob', 'done')
  t.deepEqual(rig.running, ['cam-1 at 900', 'cam-1 stops'])
  t.like(now.list()[0], { contract: null, running: false })
  await rig.publish()
  await until(() => rig.running.length === 3, 'it runs again')
  t.deepEqual(rig.errors, [])
})

test('the ACL and the tenant decide, when it is asked for and at each renewal', async (t) => {
  const rig = await openRig(t)
  await rig.publish()
  const { now } = rig.subscriptions
  const add = (who: Partial<AuthenticatedPrincipal>) => now.add({ ...ALICE, ...who }, 't1', WISH)
  await t.throwsAsync(add({ role: 'anonymous' }), { code: 'denied' })
  await t.throwsAsync(add({ tenant_id: 't2' }), { code: 'stream_not_found' })
  await t.throwsAsync(add({ grants: { streams: ['dog-*'], actions: ['*'] } }), { code: 'acl_denied' })
  t.deepEqual(now.list(), [])
  t.deepEqual(await rig.stored(), [])

  await add({})
  rig.policy.document = { classes: { director: { video_kbps: { start: 700, ceiling: 700 } } } }
  now.policyChanged('t2')
  t.deepEqual(rig.running, ['cam-1 at 900'])
  now.policyChanged('t1')
  t.deepEqual(rig.running, ['cam-1 at 900', 'cam-1 to 700'])
  rig.policy.document = {
    acl: [{ effect: 'deny', subjects: ['user:alice'], actions: ['subscribe'], streams: ['*'] }],
  }
  now.policyChanged('t1')
  t.true(now.list()[0]?.running, 'until its time is over')
  await until(() => rig.running.length > 2, 'its time is over')
  t.is(rig.running.at(-1), 'cam-1 stops')
  t.regex(now.list()[0]?.refusal ?? '', /denie/)
  rig.policy.document = {}
  now.policyChanged('t1')
  t.true(now.list()[0]?.running)
})

test('a restart finds it, another hub does not, and what ended stays away', async (t) => {
  const rig = await openRig(t)
  await rig.publish()
  const { subscriptionId } = await rig.subscriptions.now.add(ALICE, 't1', WISH)
  t.deepEqual(await rig.stored(), [subscriptionId])
  rig.subscriptions.now[Symbol.dispose]()
  t.is(rig.running.at(-1), 'cam-1 stops')
  t.deepEqual((await rig.open('hub-2')).list(), [])

  const again = await rig.open()
  rig.subscriptions.now = again
  t.like(again.list()[0], {
    subscriptionId,
    running: true,
    proof: { credential: 'jwt', token_id: 'token-1' },
  })
  rig.failing.with = new CodedError('store_unavailable', 'away')
  await t.throwsAsync(again.add(ALICE, 't1', WISH), { code: 'store_unavailable' })
  t.is(again.list().length, 1, 'what is not stored does not stand')
  await t.throwsAsync(again.end(subscriptionId, 'hub', 'its jwt was revoked'), { code: 'store_unavailable' })
  t.is(rig.running.at(-1), 'cam-1 stops', 'at once, whatever the store does')
  t.false(await again.end(subscriptionId, 'hub', 'twice'))
  rig.failing.with = null
  await until(async () => (await rig.stored()).length === 0, 'it is deleted as soon as it can be')
  t.true((await rig.trail()).includes('subscription.end revoked'))
  t.deepEqual((await rig.open()).list(), [])
})
