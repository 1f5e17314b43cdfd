import { X509Certificate } from 'node:crypto'
import test from 'ava'
import { nodeKey } from '../auth/node-key.ts'
import { apiRig } from './api-rig.ts'

type Rig = Awaited<ReturnType<typeof apiRig>>

const actions = async (rig: Rig, query = '') =>
  (await rig.ask('GET', `/v1/audit${query}`)).json.records.map(({ action }: { action: string }) => action)

async function enrolled(rig: Rig, tenantId: string, nodeId?: string) {
  const body = {
    tenant_id: tenantId,
    roles: ['sender'],
    ...(nodeId === undefined ? {} : { node_id: nodeId }),
  }
  const { json: token } = await rig.ask('POST', '/v1/enrolment-tokens', { body })
  const init = {
    role: 'sender',
    enrollment_token: token.token,
    csr: (await nodeKey()).csr,
    capabilities: {
      transports: [{ transport: 'rist' }],
      links: [{ link_id: 'lte-1', to: 'hub', medium: 'cellular' }],
    },
  }
  return { token, init, answer: await rig.ask('POST', '/v1/node/init', { token: null, body: init }) }
}

test('a tenant is made, changed, kept while it is used, and deleted', async (t) => {
  await using rig = await apiRig()
  const put = (body: object, headers: Record<string, string> = {}) =>
    rig.ask('PUT', '/v1/tenants/acme', { body, headers })
  const made = await put({ display_name: 'Acme' }, { 'if-match': '"0"' })
  t.is(made.headers.get('etag'), '"1"')
  t.is((await put({ display_name: 'Acme' }, { 'if-match': '"0"' })).status, 412)
  t.is((await put({ display_name: 'Acme TV' }, { 'if-match': '"1"' })).json.version, 2)
  const operator = await rig.tokenFor('acme', 'operator')
  const { tenants } = (await rig.ask('GET', '/v1/tenants', { token: operator })).json
  t.deepEqual(
    tenants.map(({ tenant_id }: { tenant_id: string }) => tenant_id),
    ['acme'],
  )
  t.is(
    (await rig.ask('PUT', '/v1/tenants/acme', { token: operator, body: { display_name: 'x' } })).status,
    403,
  )

  const used = await rig.ask('DELETE', '/v1/tenants/acme')
  t.is(used.status, 409)
  t.deepEqual(used.json.error.details, ['tokens: 1'])
  const [token] = (await rig.ask('GET', '/v1/tokens?tenant_id=acme')).json.tokens
  t.is((await rig.ask('DELETE', `/v1/tokens/${token.token_id}?tenant_id=acme`)).status, 200)
  await rig.policies.put('acme', { document: {}, by: 'hub', replaces: 0 })
  t.is((await rig.ask('DELETE', '/v1/tenants/acme')).status, 204)
  t.is((await rig.ask('GET', '/v1/tenants/acme')).status, 404)
  t.deepEqual(await rig.store.list('policy-version', 'acme'), [])
  t.is(rig.policies.current('acme').version, 0)
  t.is((await rig.ask('DELETE', '/v1/tenants/default')).status, 409)
  t.deepEqual(await actions(rig, '?object=tenant:acme'), ['tenant.create', 'tenant.change', 'tenant.delete'])
})

test('a policy is put, refused, rolled back; edits at once are refused by If-Match', async (t) => {
  await using rig = await apiRig()
  const put = (body: unknown, ifMatch?: string, type = 'application/json') =>
    rig.ask('PUT', '/v1/policies/default', {
      body,
      headers: { 'content-type': type, ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) },
    })
  t.like((await rig.ask('GET', '/v1/policies/default')).json, { version: 0, document: {} })
  t.is((await put({})).status, 428)
  t.is((await put({}, '"1"')).status, 412)
  t.is((await put({}, 'W/"0"')).status, 412, 'a weak tag never matches')
  t.is((await put({}, '0')).status, 400)
  const one = await put('classes:\n  focus:\n    glass_to_glass_ms: 250\n', '"0"', 'application/yaml')
  t.is(one.status, 200, one.text)
  t.is(one.headers.get('etag'), '"1"')
  t.is(rig.policies.effective('default').classes.focus.profile.glassToGlassMs, 250)

  const both = await Promise.all(
    [300, 350].map((ms) => put({ classes: { focus: { glass_to_glass_ms: ms } } }, '"1"')),
  )
  t.deepEqual(both.map(({ status }) => status).sort(), [200, 412], 'of two editors one is refused')
  const winner = rig.policies.effective('default').classes.focus.profile.glassToGlassMs

  const bad = await put({ classes: { focus: { video_kbps: { floor: 9000 } } } }, '"2"')
  t.is(bad.json.error.code, 'policy_invalid')
  t.regex(bad.json.error.details[0], /classes\.focus\.video_kbps: floor 9000 <= start/)
  t.is((await put('acl: [{effect: allow}]', '"2"', 'application/yaml')).status, 400)
  t.is((await put('a: 1\na: 2', '"2"', 'application/yaml')).status, 400)
  const checked = await rig.ask('POST', '/v1/policies/default/validate', {
    body: { limits: { max_hops: 2 } },
  })
  t.deepEqual(checked.json, { valid: true, replaces: 2 })
  t.is(rig.policies.effective('default').version, 2)
  t.is(rig.policies.effective('default').classes.focus.profile.glassToGlassMs, winner)

  const rollback = (version: number) =>
    rig.ask('POST', '/v1/policies/default/rollback', { body: { version } })
  t.like((await rollback(1)).json, { version: 3, restored: 1 })
  t.is(rig.policies.effective('default').classes.focus.profile.glassToGlassMs, 250)
  t.is((await rollback(9)).status, 404)
  t.like((await rollback(0)).json, { version: 4, document: {}, restored: 0 })
  const { versions } = (await rig.ask('GET', '/v1/policies/default/versions?after=2')).json
  t.deepEqual(
    versions.map(({ version }: { version: number }) => version),
    [3, 4],
  )
  t.like((await rig.ask('GET', '/v1/policies/default/versions/1')).json, { version: 1 })
  t.deepEqual(await actions(rig, '?action=policy.*'), [
    ...['policy.change', 'policy.change', 'policy.rollback', 'policy.rollback'],
  ])
})

test('tokens are issued, listed without their secrets, limited and revoked', async (t) => {
  await using rig = await apiRig()
  const operator = await rig.tokenFor('acme', 'operator')
  const issue = (body: object, token?: string) =>
    rig.ask('POST', '/v1/tokens', { body, ...(token === undefined ? {} : { token }) })
  const grants = { streams: ['cam-*'], actions: ['subscribe'] }
  const key = await issue(
    { type: 'api-key', subject: 'alice', role: 'viewer', grants, label: 'TV' },
    operator,
  )
  t.is(key.status, 201, key.text)
  t.like(key.json, { tenant_id: 'acme', subject: 'alice', expires_at: null, grants })
  t.is((await issue({ subject: 'eve', role: 'admin' }, operator)).json.error.code, 'delegation_refused')
  t.is((await issue({ subject: 'eve', role: 'viewer', tenant_id: 'rival' }, operator)).status, 404)
  t.is((await issue({ subject: 'eve', role: 'viewer', expires_in_seconds: 300_000_000 })).status, 400)
  const root = await issue({ subject: 'root', role: 'admin', expires_in_seconds: 60 })
  t.is(root.json.tenant_id, null)
  t.is((await rig.ask('GET', '/v1/tenants', { token: root.json.token })).status, 200)

  const list = await rig.ask('GET', '/v1/tokens', { token: operator })
  t.is(list.json.tokens.length, 2)
  t.false(list.text.includes('hash'))
  t.false(list.text.includes(key.json.token))
  const page = (await rig.ask('GET', '/v1/tokens?limit=1', { token: operator })).json
  const rest = (await rig.ask('GET', `/v1/tokens?limit=1&after=${page.next}`, { token: operator })).json
  t.not(page.tokens[0].token_id, rest.tokens[0].token_id)

  const path = `/v1/tokens/${key.json.token_id}`
  t.is((await rig.ask('GET', path, { token: operator })).json.label, 'TV')
  t.is((await rig.ask('GET', '/v1/nodes', { token: key.json.token })).status, 403, 'not among its grants')
  t.true((await rig.ask('DELETE', path, { token: operator })).json.revoked_at > 0)
  t.is((await rig.ask('GET', '/v1/nodes', { token: key.json.token })).json.error.code, 'token_revoked')
})

test('a machine becomes a node by a token that is used up', async (t) => {
  await using rig = await apiRig()
  await rig.tenants.put('acme', { display_name: 'acme' }, 'hub')
  const { answer, init, token } = await enrolled(rig, 'acme')
  t.is(answer.status, 201, answer.text)
  const { node_id, certificate, overlay_addresses, class_defaults, hub_endpoints } = answer.json
  t.true(new X509Certificate(certificate).checkIssued(new X509Certificate(answer.json.authorities[0])))
  t.deepEqual(overlay_addresses, ['127.0.0.1'])
  t.is(class_defaults.focus.glass_to_glass_ms, 200)
  t.is(hub_endpoints.telemetry, `${rig.url}/v1/telemetry`)
  t.is(answer.json.telemetry_interval_ms, 1000)
  t.is(rig.topology.record('acme', node_id)?.entry.links[0]?.link_id, 'lte-1')
  const again = await rig.ask('POST', '/v1/node/init', { token: null, body: init })
  t.is(again.json.error.code, 'enrolment_token_used')
  t.like((await rig.ask('GET', '/v1/enrolment-tokens?tenant_id=acme')).json.enrolment_tokens[0], {
    enrolment_token_id: token.enrolment_token_id,
    used_by: node_id,
  })
  const wrong = { ...init, enrollment_token: `le_${'a'.repeat(16)}_${'A'.repeat(43)}` }
  t.is((await rig.ask('POST', '/v1/node/init', { token: null, body: wrong })).status, 401)
  t.is(
    (await rig.ask('POST', '/v1/node/renew', { body: { csr: init.csr } })).json.error.rule,
    'node certificate',
  )
  t.deepEqual(await actions(rig, '?object=enrolment-token:*'), ['enrolment.issue', 'node.enrol'])
})

test('nodes are seen, labelled, drained, revoked and deleted', async (t) => {
  await using rig = await apiRig()
  const operator = await rig.tokenFor('acme', 'operator')
  const asOperator = (method: string, path: string, body?: unknown, headers = {}) =>
    rig.ask(method, path, { token: operator, body, headers })
  await enrolled(rig, 'acme', 'van-1')
  await rig.tenants.put('rival', { display_name: 'rival' }, 'hub')
  await enrolled(rig, 'rival', 'van-1')
  const { nodes } = (await asOperator('GET', '/v1/nodes?role=sender')).json
  t.deepEqual(
    nodes.map(({ node_id, tenant_id }: { node_id: string; tenant_id: string }) => [tenant_id, node_id]),
    [['acme', 'van-1']],
  )
  const seen = await asOperator('GET', '/v1/nodes/van-1')
  t.is(seen.json.declared.links[0].link_id, 'lte-1')
  const etag = seen.headers.get('etag')!
  const labels = { crew: 'north' }
  const changed = await asOperator('PATCH', '/v1/nodes/van-1', { labels, region: 'eu' }, { 'if-match': etag })
  t.like(changed.json, { labels, region: 'eu' })
  t.is((await asOperator('PATCH', '/v1/nodes/van-1', { labels }, { 'if-match': etag })).status, 412)
  t.is((await asOperator('PATCH', '/v1/nodes/van-1', {})).status, 400)
  t.true((await asOperator('POST', '/v1/nodes/van-1/drain', { draining: true })).json.draining)
  t.is(rig.topology.record('acme', 'van-1')?.entry.draining, true)
  t.is(rig.topology.record('rival', 'van-1')?.entry.draining, false)

  const crlBefore = await fetch(`${rig.url}/v1/crl`)
  t.is(crlBefore.headers.get('content-type'), 'application/pkix-crl')
  const before = (await crlBefore.arrayBuffer()).byteLength
  const { certificates } = (await asOperator('GET', '/v1/nodes/van-1/certificates')).json
  t.is(certificates.length, 1)
  t.deepEqual((await asOperator('POST', '/v1/nodes/van-1/revoke', { reason: 'keyCompromise' })).json, {
    revoked: 1,
  })
  t.true((await (await fetch(`${rig.url}/v1/crl`)).arrayBuffer()).byteLength > before)

  // Enrolled again under its name: operators' labels stay.
  await enrolled(rig, 'acme', 'van-1')
  t.like((await asOperator('GET', '/v1/nodes/van-1')).json, { labels, region: 'eu', draining: true })
  t.is((await asOperator('DELETE', '/v1/nodes/van-1')).status, 204)
  t.is((await asOperator('GET', '/v1/nodes/van-1')).status, 404)
  t.true(rig.auth.certificates.ofNode('acme', 'van-1').every(({ revoked_at }) => revoked_at !== null))
  t.true(rig.auth.certificates.ofNode('rival', 'van-1').every(({ revoked_at }) => revoked_at === null))
})

test("shared nodes are seen by every tenant and changed by the hub's admin alone", async (t) => {
  await using rig = await apiRig()
  const operator = await rig.tokenFor('acme', 'operator')
  const { json: token } = await rig.ask('POST', '/v1/enrolment-tokens', {
    body: { roles: ['edge'], node_id: 'edge-1' },
  })
  t.is(token.tenant_id, null)
  const init = { role: 'edge', enrollment_token: token.token, csr: (await nodeKey()).csr }
  t.is((await rig.ask('POST', '/v1/node/init', { token: null, body: init })).status, 201)
  const seen = await rig.ask('GET', '/v1/nodes/edge-1', { token: operator })
  t.like(seen.json, { tenant_id: null, load: null })
  const drain = (token?: string) =>
    rig.ask('POST', '/v1/nodes/edge-1/drain', {
      body: { draining: true },
      ...(token === undefined ? {} : { token }),
    })
  t.is((await drain(operator)).json.error.rule, 'hub admin')
  t.true((await drain()).json.draining)
  const own = await rig.ask('POST', '/v1/enrolment-tokens', { token: operator, body: { roles: ['edge'] } })
  t.is(own.json.tenant_id, 'acme', 'an operator makes nodes of the own tenant only')
})

test('keys are rotated, and old tokens hold unless they are compromised', async (t) => {
  await using rig = await apiRig()
  const operator = await rig.tokenFor('acme', 'operator')
  const rotate = (body: object) => rig.ask('POST', '/v1/keys/rotate', { body })
  t.is((await rotate({ what: 'tokens' })).status, 200)
  t.is((await rig.ask('GET', '/v1/nodes', { token: operator })).status, 200)
  t.is((await rotate({ what: 'tokens', compromised: true })).status, 200)
  t.is((await rig.ask('GET', '/v1/nodes', { token: operator })).status, 401)
  const { authorities } = (await enrolled(rig, 'acme')).answer.json
  t.is(authorities.length, 1)
  t.is((await rotate({ what: 'certificates' })).status, 200)
  t.is((await enrolled(rig, 'acme')).answer.json.authorities.length, 2)
})

test('the audit trail is paged, filtered, and shows a tenant its own alone', async (t) => {
  await using rig = await apiRig()
  const operator = await rig.tokenFor('acme', 'operator')
  await rig.tokenFor('rival', 'viewer')
  for (let each = 0; each < 5; each += 1)
    await rig.ask('PUT', '/v1/policies/acme', {
      token: operator,
      body: {},
      headers: { 'if-match': `"${each}"` },
    })
  const own = (await rig.ask('GET', '/v1/audit', { token: operator })).json.records
  t.true(own.every(({ tenant_id }: { tenant_id: string }) => tenant_id === 'acme'))
  t.is((await rig.ask('GET', '/v1/audit?tenant_id=rival', { token: operator })).status, 404)
  const filter = 'actor=user:operator-of-acme&action=policy.*&limit=3'
  const first = (await rig.ask('GET', `/v1/audit?${filter}`)).json
  t.is(first.records.length, 3)
  const rest = (await rig.ask('GET', `/v1/audit?${filter}&after_seq=${first.next_seq}`)).json
  t.is(rest.records.length, 2)
  t.is(rest.next_seq, null)
  const [newest] = (await rig.ask('GET', '/v1/audit?newest_first=true&limit=1')).json.records
  t.deepEqual(newest, rest.records[1])
  t.is((await rig.ask('GET', '/v1/audit?until=5')).json.records.length, 0)
})

test('webhooks are made, changed, given another secret and deleted', async (t) => {
  await using rig = await apiRig()
  const operator = await rig.tokenFor('acme', 'operator')
  const asOperator = (method: string, path: string, body?: unknown, headers = {}) =>
    rig.ask(method, path, { token: operator, body, headers })
  const wanted = { url: 'https://hooks.example/lanecast', events: ['stream.live'] }
  const made = await asOperator('POST', '/v1/webhooks', wanted)
  t.is(made.status, 201, made.text)
  const path = `/v1/webhooks/${made.json.webhook_id}`
  t.is(
    (await asOperator('POST', '/v1/webhooks', { ...wanted, url: 'file:///etc/passwd' })).json.error.code,
    'webhook_url',
  )
  const seen = await asOperator('GET', path)
  t.like(seen.json, { ...wanted, enabled: true, waiting: 0 })
  t.false(seen.text.includes('secret'))
  const etag = { 'if-match': seen.headers.get('etag') }
  t.false((await asOperator('PATCH', path, { enabled: false }, etag)).json.enabled)
  t.is((await asOperator('PATCH', path, { enabled: true }, etag)).status, 412)
  t.is((await asOperator('POST', `${path}/test`)).json.error.code, 'webhook_disabled')
  t.not((await asOperator('POST', `${path}/rotate-secret`)).json.secret, made.json.secret)
  const rival = await rig.tokenFor('rival', 'operator')
  t.is((await rig.ask('GET', path, { token: rival })).status, 404)
  t.is((await asOperator('DELETE', path)).status, 204)
  t.deepEqual((await asOperator('GET', '/v1/webhooks')).json, { webhooks: [] })
})

test('a node renews its certificate with its present one', async (t) => {
  let present: X509Certificate | undefined
  let authenticate: Rig['auth']['authenticator']['authenticate'] | undefined
  // The handshake itself is tested with TLS; here its outcome is told.
  const authenticator: Pick<Rig['auth']['authenticator'], 'authenticate'> = {
    authenticate: (credentials) => {
      const certificate = present && {
        serial: present.serialNumber.toLowerCase(),
        fingerprint: present.fingerprint256.replaceAll(':', '').toLowerCase(),
        trusted: true,
      }
      return authenticate!(certificate ? { certificate } : credentials)
    },
  }
  await using rig = await apiRig({ parts: { authenticator } })
  authenticate = (credentials) => rig.auth.authenticator.authenticate(credentials)
  await rig.tenants.put('acme', { display_name: 'acme' }, 'hub')
  const { answer } = await enrolled(rig, 'acme', 'van-1')
  present = new X509Certificate(answer.json.certificate)
  const renewed = await rig.ask('POST', '/v1/node/renew', { body: { csr: (await nodeKey()).csr } })
  t.is(renewed.status, 201, renewed.text)
  t.not(renewed.json.serial, answer.json.serial)
  t.is((await rig.ask('GET', '/v1/nodes')).json.nodes[0].node_id, 'van-1', 'its certificate is its proof')
  await rig.auth.certificates.revokeNode('acme', 'van-1', 'hub', 'keyCompromise')
  const refused = await rig.ask('POST', '/v1/node/renew', { body: { csr: (await nodeKey()).csr } })
  t.is(refused.json.error.code, 'certificate_revoked')
})
