import test from 'ava'
import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { nodeEntrySchema } from '../../../common/wire/topology.ts'
import { defineRoute, type Route } from '../../../server/api/route.ts'
import { ALL_GRANTS, type AuthenticatedPrincipal } from '../../../server/auth/principal.ts'
import { until } from '../../support/until.ts'
import { apiRig } from './api-rig.ts'

const answer = { status: 200, schema: z.object({}) } as const
const facts = { summary: 'x', description: 'x', cost: 'read' } as const

const echo = defineRoute({
  ...facts,
  method: 'post',
  path: '/v1/echo/{stream_id}',
  action: 'subscribe',
  anonymous: true,
  params: z.strictObject({ stream_id: z.string().max(20) }),
  query: z.strictObject({ n: z.number().int().min(1).max(9).optional(), yes: z.boolean().default(false) }),
  body: z.strictObject({
    list: z.array(z.strictObject({ name: z.string() })).max(3),
    kind: z.union([z.strictObject({ a: z.number() }), z.enum(['x', 'y'])]).optional(),
  }),
  answer: { status: 200, schema: z.object({ tenant: z.string(), query: z.unknown(), who: z.string() }) },
  handle: ({ tenantId, principal }, { query }) => ({ tenant: tenantId, query, who: principal.role }),
})

const withRoutes = (...routes: Route[]) => apiRig({ routes: () => routes })

test('details name the field, what is wrong and what is allowed, and never repeat a value', async (t) => {
  await using rig = await withRoutes(echo)
  const refusal = async (path: string, body: unknown) =>
    (await rig.ask('POST', path, { body })).json.error.details as string[]
  t.deepEqual(await refusal('/v1/echo/s?n=12', { list: [] }), ['query.n: too big: expected number to be <=9'])
  t.deepEqual(await refusal('/v1/echo/s?m=1', { list: [] }), ['query: unknown: m; allowed: n, yes'])
  t.deepEqual(await refusal('/v1/echo/s?n=1&n=2', { list: [] }), ['query: "n" twice'])
  t.deepEqual(await refusal('/v1/echo/s', { list: [{ name: 'ok' }, { nmae: 'hunter2' }] }), [
    'body.list.1.name: expected string, received undefined',
    'body.list.1: unknown: nmae; allowed: name',
  ])
  t.deepEqual(await refusal('/v1/echo/s', { list: [], kind: { a: 'x' } }), [
    'body.kind.a: expected number, received string',
  ])
  t.deepEqual(await refusal('/v1/echo/s', { list: [], kind: 'z' }), [
    'body.kind: expected object, received string; or invalid option: expected one of "x"|"y"',
  ])
  t.deepEqual(await refusal('/v1/echo/s', '{"list":[],"__proto__":{}}'), [
    'body: no field may be named __proto__',
  ])
  const many = await refusal(
    '/v1/echo/s',
    Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`k${i}`, 1])),
  )
  t.true(many.length <= 21 && many.every((line) => line.length <= 300))
})

test('numbers and booleans of a query are taken as such', async (t) => {
  await using rig = await withRoutes(echo)
  const { json } = await rig.ask('POST', '/v1/echo/s?n=3&yes=true', { body: { list: [] } })
  t.deepEqual(json, { tenant: 'default', query: { n: 3, yes: true }, who: 'admin' })
})

test('the ACL is asked for the stream and tenant, and its rule is named', async (t) => {
  await using rig = await withRoutes(echo)
  const viewer = await rig.tokenFor('acme', 'viewer')
  const asViewer = (path: string) => rig.ask('POST', path, { token: viewer, body: { list: [] } })
  t.is((await asViewer('/v1/echo/cam-1')).json.tenant, 'acme')
  const rules = [
    { name: 'nobody sees the vault', effect: 'deny', subjects: ['*'], actions: ['*'], streams: ['vault-*'] },
    { effect: 'allow', subjects: ['role:viewer'], actions: ['subscribe'], streams: ['*'] },
    { effect: 'allow', subjects: ['anonymous'], actions: ['subscribe'], streams: ['open-*'] },
  ]
  const put = await rig.ask('PUT', '/v1/policies/acme', {
    body: { acl: rules },
    headers: { 'if-match': '"0"' },
  })
  t.is(put.status, 200, put.text)
  const denied = await asViewer('/v1/echo/vault-1')
  t.is(denied.status, 403)
  t.like(denied.json.error, { code: 'denied', rule: 'nobody sees the vault' })
  t.is((await asViewer('/v1/echo/cam-1')).status, 200)

  const nobody = (path: string) => rig.ask('POST', path, { token: null, body: { list: [] } })
  t.is((await nobody('/v1/echo/open-1')).status, 401, 'the default tenant opens nothing')
  const named = defineRoute({
    ...facts,
    method: 'get',
    path: '/v1/named/{stream_id}',
    action: 'subscribe',
    anonymous: true,
    answer,
    params: z.strictObject({ stream_id: z.string() }),
    query: z.strictObject({ tenant_id: z.string() }),
    handle: () => ({}),
  })
  await using other = await withRoutes(named)
  await other.tenants.put('acme', { display_name: 'acme' }, 'hub')
  const policy = {
    acl: [{ effect: 'allow', subjects: ['anonymous'], actions: ['subscribe'], streams: ['open-*'] }],
  }
  await other.ask('PUT', '/v1/policies/acme', { body: policy, headers: { 'if-match': '"0"' } })
  const status = async (path: string) => (await other.ask('GET', path, { token: null })).status
  t.is(await status('/v1/named/open-1?tenant_id=acme'), 200)
  t.is(await status('/v1/named/cam-1?tenant_id=acme'), 401)
  t.is(await status('/v1/named/open-1?tenant_id=nobody'), 401)
})

test('roles are asked before anything is read', async (t) => {
  const secret = defineRoute({
    ...facts,
    method: 'post',
    path: '/v1/secret',
    action: 'tenant.write',
    role: 'admin',
    answer,
    body: z.strictObject({ a: z.number() }),
    handle: () => ({}),
  })
  await using rig = await withRoutes(secret)
  const operator = await rig.tokenFor('acme', 'operator')
  t.is(
    (await rig.ask('POST', '/v1/secret', { token: operator, body: 'nonsense' })).json.error.rule,
    'hub admin',
  )
  t.is((await rig.ask('POST', '/v1/secret', { token: null, body: 'nonsense' })).status, 401)
  t.is((await rig.ask('POST', '/v1/secret', { body: { a: 1 } })).status, 200)
})

test('above the limit comes 429 with Retry-After, and proofs that are not good have a limit of their own', async (t) => {
  await using rig = await apiRig({
    routes: () => [echo],
    limits: { principal: { points: 5, seconds: 60 }, failures: { points: 3, seconds: 60 } },
  })
  const statuses: number[] = []
  for (let each = 0; each < 7; each += 1) statuses.push((await rig.ask('GET', '/v1/tenants')).status)
  t.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429])
  const { headers, json } = await rig.ask('GET', '/v1/tenants')
  t.is(json.error.code, 'too_many_requests')
  t.true(Number(headers.get('retry-after')) >= 1)
  const guesses: number[] = []
  for (let each = 0; each < 5; each += 1)
    guesses.push((await rig.ask('GET', '/v1/nodes', { token: 'guess' })).status)
  t.deepEqual(guesses, [401, 401, 401, 429, 429])
})

test('what asks for many things pays for all of them', async (t) => {
  const batch = defineRoute({
    ...facts,
    method: 'post',
    path: '/v1/batch',
    action: 'telemetry',
    answer,
    body: z.array(z.number()),
    units: ({ body }) => body.length,
    handle: () => ({}),
  })
  await using rig = await apiRig({
    routes: () => [batch],
    limits: { principal: { points: 100, seconds: 60 } },
  })
  const send = async (count: number) =>
    (await rig.ask('POST', '/v1/batch', { body: Array.from({ length: count }, () => 1) })).status
  t.deepEqual([await send(60), await send(60), await send(1)], [200, 429, 429])
})

test('what is full is told with its name, and when to come again', async (t) => {
  const full = defineRoute({
    ...facts,
    method: 'get',
    path: '/v1/full',
    action: null,
    answer,
    errors: ['saturated'],
    handle: () => {
      throw new CodedError('saturated', 'all workers are busy', {
        resource: 'worker_cpu',
        retryAfterSeconds: 2,
      })
    },
  })
  await using rig = await withRoutes(full)
  const { status, headers, json } = await rig.ask('GET', '/v1/full')
  t.is(status, 503)
  t.is(headers.get('retry-after'), '2')
  t.like(json.error, { code: 'saturated', resource: 'worker_cpu' })
})

test('a failure inside says nothing about itself, and is reported', async (t) => {
  const broken = defineRoute({
    ...facts,
    method: 'get',
    path: '/v1/broken',
    action: null,
    answer,
    handle: () => {
      throw new Error('the password is hunter2')
    },
  })
  await using rig = await withRoutes(broken)
  const { status, json, headers } = await rig.ask('GET', '/v1/broken', {
    headers: { 'x-request-id': 'abc-1' },
  })
  t.is(status, 500)
  t.is(headers.get('x-request-id'), 'abc-1')
  t.deepEqual(json.error, { code: 'internal', message: 'the hub failed; its log says why', details: [] })
  t.is(rig.failures.length, 1)
  t.like(rig.answered.at(-1), { status: 500, code: 'internal', requestId: 'abc-1' })
})

test('a route that takes too long is answered for, and told to end', async (t) => {
  let aborted = false
  const slow = defineRoute({
    ...facts,
    method: 'get',
    path: '/v1/slow',
    action: null,
    answer,
    timeoutMs: 100,
    handle: ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        })
      }),
  })
  await using rig = await withRoutes(slow)
  const { status, json } = await rig.ask('GET', '/v1/slow')
  t.is(status, 503)
  t.like(json.error, { code: 'timeout', resource: 'time' })
  t.true(aborted)
})

test('a client that goes away ends the work done for it', async (t) => {
  let [started, aborted] = [false, false]
  const slow = defineRoute({
    ...facts,
    method: 'get',
    path: '/v1/slow',
    action: null,
    answer,
    handle: ({ signal }) => {
      started = true
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        })
      })
    },
  })
  await using rig = await withRoutes(slow)
  const leaving = new AbortController()
  const asked = fetch(`${rig.url}/v1/slow`, { signal: leaving.signal })
  await until(() => started, 'the route began')
  leaving.abort()
  await t.throwsAsync(asked)
  await until(() => aborted, 'the route was told')
  t.deepEqual(rig.failures, [])
})

test('an answer that is not as declared fails where answers are validated', async (t) => {
  const leaky = defineRoute({
    ...facts,
    method: 'get',
    path: '/v1/leaky',
    action: null,
    answer: { status: 200, schema: z.object({ a: z.number() }) },
    handle: () => ({ a: 1, secret: 'x' }),
  })
  await using rig = await withRoutes(leaky)
  t.is((await rig.ask('GET', '/v1/leaky')).status, 500)
  t.is(rig.failures[0]?.code, 'answer_invalid')
})

test('bodies: only JSON, not compressed, not too long, not where there should be none', async (t) => {
  await using rig = await withRoutes(echo)
  const post = async (headers: Record<string, string>, body: string) => {
    const { status, json } = await rig.ask('POST', '/v1/echo/s', { headers, body })
    return [status, json.error?.code]
  }
  t.deepEqual(await post({ 'content-type': 'text/plain' }, '{}'), [415, 'unsupported_media_type'])
  t.deepEqual(await post({ 'content-type': 'application/yaml' }, 'list: []'), [415, 'unsupported_media_type'])
  t.deepEqual(await post({ 'content-encoding': 'gzip' }, '{}'), [415, 'unsupported_media_type'])
  t.deepEqual(await post({}, `{"list":["${'x'.repeat(1024 * 1024)}"]}`), [413, 'body_too_large'])
  t.deepEqual(await post({}, `{"list":${'['.repeat(50)}${']'.repeat(50)}}`), [400, 'bad_request'])
  t.deepEqual(await post({}, '{"list":'), [400, 'bad_request'])
  t.is((await post({ 'content-type': 'application/json; charset=utf-8' }, '{"list":[]}'))[0], 200)
  t.is((await rig.ask('DELETE', '/v1/tokens/x', { body: '{}' })).status, 400)
})

test('a node that the hub shares acts for the hub, and in no tenant', async (t) => {
  const who = defineRoute({
    ...facts,
    method: 'get',
    path: '/v1/who',
    action: 'node.read',
    query: z.strictObject({ tenant_id: z.string().optional() }),
    answer: { status: 200, schema: z.object({ tenantId: z.string(), tenantFilter: z.string().nullable() }) },
    handle: ({ tenantId, tenantFilter }) => ({ tenantId, tenantFilter }),
  })
  const shared: AuthenticatedPrincipal = {
    id: 'edge-1',
    role: 'node',
    tenant_id: null,
    node_id: 'edge-1',
    grants: ALL_GRANTS,
    credential: 'certificate',
    token_id: 'ab12',
    expires_at: null,
  }
  await using rig = await apiRig({
    routes: () => [who],
    parts: { authenticator: { authenticate: async () => shared } },
  })
  const { status, json } = await rig.ask('GET', '/v1/who')
  t.is(status, 200)
  t.deepEqual(json, { tenantId: '_hub', tenantFilter: '_hub' })
  t.is((await rig.ask('GET', '/v1/who?tenant_id=default')).status, 404)
  t.is((await rig.ask('GET', '/v1/tenants')).status, 403)
  await rig.directory.put('default', 'van-1', nodeEntrySchema.parse({ role: 'sender', created_at: 0 }))
  t.deepEqual((await rig.ask('GET', '/v1/nodes')).json.nodes, [])
})
