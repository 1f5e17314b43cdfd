import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import type { EffectivePolicy } from '../../../policy/effective.ts'
import { Authorizer } from '../../../server/policies/authorizer.ts'
import { KEPT_VERSIONS, PolicyBook } from '../../../server/policies/policy-book.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { until } from '../../support/until.ts'
import { someone } from '../auth/auth-rig.ts'

const logger = createLogger('fatal')
const open = (store: Store, refreshMs?: number) =>
  PolicyBook.open({ store, refreshMs, now: Date.now, logger })
const target = (policy: EffectivePolicy) => policy.classes.focus.profile.glassToGlassMs
const focus = (ms: number) => ({ classes: { focus: { glass_to_glass_ms: ms } } })

test('a policy is compiled once, swapped as a whole, and announced', async (t) => {
  await using store = await openMemoryStore()
  await using book = await open(store)
  const defaults = book.effective('acme')
  t.is(defaults.version, 0)
  t.is(book.effective('acme'), defaults)
  const told: number[] = []
  const end = book.onChange((policy) => told.push(policy.version))
  await book.put('acme', { document: focus(300), by: 'hub', replaces: 0 })
  t.is(target(book.effective('acme')), 300)
  t.is(target(defaults), 200, 'whoever decides with the old one goes on with it')
  t.is(target(book.effective('rival')), 200)
  await book.put('acme', { document: focus(400), by: 'hub', replaces: 1 })
  end()
  await book.put('acme', { document: {}, by: 'hub', replaces: 2 })
  t.deepEqual(told, [1, 2])
})

test('it is there again after a restart, and forgets versions that are too old', async (t) => {
  await using store = await openMemoryStore()
  {
    await using book = await open(store)
    for (let version = 0; version <= KEPT_VERSIONS; version += 1)
      await book.put('acme', { document: focus(300 + version), by: 'hub', replaces: version })
  }
  await using book = await open(store)
  t.is(target(book.effective('acme')), 300 + KEPT_VERSIONS)
  t.is(await book.version('acme', 1), undefined)
  t.is((await book.versions('acme', { limit: 1000 })).length, KEPT_VERSIONS)
  t.is((await book.version('acme', 2))?.document.classes?.focus?.glass_to_glass_ms, 301)
})

test('what another hub puts in force is taken over', async (t) => {
  await using store = await openMemoryStore()
  await using one = await open(store, 20)
  await using other = await open(store, 20)
  t.is(target(other.effective('acme')), 200)
  let told = 0
  other.onChange(() => {
    told += 1
  })
  await one.put('acme', { document: focus(300), by: 'hub', replaces: 0 })
  await until(() => target(other.effective('acme')) === 300, 'the other hub has it')
  t.is(told, 1)
  await t.throwsAsync(other.put('acme', { document: {}, by: 'hub', replaces: 0 }), {
    code: 'version_conflict',
  })
})

test('a stored policy that does not hold any more leaves the tenant to the admin', async (t) => {
  await using store = await openMemoryStore()
  const document = { classes: { focus: { video_kbps: { floor: 9000 } } } }
  const body = { document, made_at: 0, made_by: 'hub', restored: null }
  await store.write([{ op: 'put', kind: 'policy', tenant_id: 'acme', id: 'acme', body }])
  await using book = await open(store)
  const asked = new Authorizer(book)
  const about = { tenantId: 'acme', streamId: null }
  t.false(asked.authorize(someone('operator'), 'policy.write', about).allow)
  t.true(asked.authorize(someone('admin', null), 'policy.write', about).allow)
  await book.put('acme', { document: {}, by: 'hub', replaces: 1 })
  t.true(asked.authorize(someone('operator'), 'policy.write', about).allow)
})

test('nobody acts in another tenant', async (t) => {
  await using store = await openMemoryStore()
  await using book = await open(store)
  const asked = new Authorizer(book)
  const about = { tenantId: 'rival', streamId: 'cam-1' }
  t.like(asked.authorize(someone('operator'), 'subscribe', about), { allow: false, rule: 'tenancy' })
  const shared = { ...someone('node', null), node_id: 'edge-1' }
  t.false(asked.authorize(shared, 'telemetry', about).allow)
  t.true(asked.authorize(shared, 'telemetry', { tenantId: '_hub', streamId: null }).allow)
  t.false(asked.authorize(shared, 'node.write', { tenantId: '_hub', streamId: null }).allow)
})
