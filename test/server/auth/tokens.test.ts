import { createHmac, generateKeyPairSync } from 'node:crypto'
import test from 'ava'
import { SignJWT } from 'jose'
import { CodedError } from '../../../common/errors.ts'
import type { NewToken } from '../../../server/auth/tokens.ts'
import { until } from '../../support/until.ts'
import { authRig, someone } from './auth-rig.ts'
import { codeOf } from './code-of.ts'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const viewer = { subject: 'alice', role: 'viewer', tenant_id: 'acme', by: 'hub' } as const

test('a JWT names its holder, tenant, role and grants until it expires', async (t) => {
  await using rig = await authRig()
  const { tokens, authenticator } = rig.auth
  const grants = { streams: ['cam-*'], actions: ['subscribe' as const] }
  const { token, info } = await tokens.issueJwt({ ...viewer, grants, node_id: 'n1' }, 60)
  t.like(await authenticator.authenticate(bearer(token)), {
    id: 'alice',
    role: 'viewer',
    tenant_id: 'acme',
    node_id: 'n1',
    credential: 'jwt',
    token_id: info.token_id,
    expires_at: info.expires_at,
  })
  t.deepEqual((await authenticator.authenticate(bearer(token))).grants, grants)
  rig.clock.pass(61)
  t.is(await codeOf(authenticator.authenticate(bearer(token))), '401 token_expired')
  await tokens.prune()
  t.deepEqual(await tokens.list('acme'), [])
})

test('a JWT lives no longer than allowed', async (t) => {
  await using rig = await authRig({ maxTokenSeconds: 3600 })
  for (const seconds of [0, -1, 3601, 1.5, Number.NaN])
    t.is(await codeOf(rig.auth.tokens.issueJwt(viewer, seconds)), '400 token_lifetime', String(seconds))
})

test('forged, altered and foreign tokens are refused, all with the same words', async (t) => {
  await using rig = await authRig()
  await using other = await authRig()
  const { tokens, authenticator, signingKeys } = rig.auth
  const { token } = await tokens.issueJwt(viewer, 60)
  const [head = '', body = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
  const { kid } = signingKeys.current()
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const adminBody = encode({ ...claims, role: 'admin', tenant: null })
  const stranger = generateKeyPairSync('ed25519').privateKey
  const x = signingKeys.jwks().keys[0]!['x']!
  const hmacHead = encode({ alg: 'HS256', kid, typ: 'lanecast+jwt' })
  const forged = {
    'another hub': (await other.auth.tokens.issueJwt(viewer, 60)).token,
    'other claims': `${head}.${adminBody}.${signature}`,
    'no signature': `${encode({ alg: 'none', kid, typ: 'lanecast+jwt' })}.${adminBody}.`,
    'cut signature': `${head}.${body}.${signature.slice(0, -2)}`,
    'the public key as HMAC secret': `${hmacHead}.${adminBody}.${createHmac(
      'sha256',
      Buffer.from(x, 'base64url'),
    )
      .update(`${hmacHead}.${adminBody}`)
      .digest('base64url')}`,
    'a key of its own': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'lanecast+jwt' })
      .sign(stranger),
    'a key in the header': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'lanecast+jwt', jwk: { kty: 'OKP', crv: 'Ed25519', x } })
      .sign(stranger),
    'a JWT for something else': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' })
      .sign(signingKeys.current().key),
    'claims that are not ours': await new SignJWT({ ...claims, role: 'root' })
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'lanecast+jwt' })
      .sign(signingKeys.current().key),
    'kid __proto__': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid: '__proto__', typ: 'lanecast+jwt' })
      .sign(stranger),
    nonsense: 'a.b.c',
    huge: 'a'.repeat(9000),
  }
  const messages = new Set<string>()
  for (const [what, text] of Object.entries(forged)) {
    const error = await t.throwsAsync(authenticator.authenticateToken(text), { instanceOf: CodedError }, what)
    t.is(error?.code, 'token_invalid', what)
    messages.add(error?.message ?? '')
  }
  t.is(messages.size, 1)
})

test('other headers than `Bearer` and a token are refused, and none is anonymous', async (t) => {
  await using rig = await authRig()
  const { authenticator } = rig.auth
  for (const authorization of ['', 'Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a b', 'bearer\t', 'Bearer ü'])
    t.is(
      await codeOf(authenticator.authenticate({ authorization })),
      '401 credentials_malformed',
      authorization,
    )
  t.like(await authenticator.authenticate({}), { role: 'anonymous', tenant_id: null, credential: 'none' })
})

test('a revoked JWT is refused at once and stays revoked after a restart', async (t) => {
  await using rig = await authRig()
  const { tokens, authenticator } = rig.auth
  const { token, info } = await tokens.issueJwt(viewer, 600)
  const principal = await authenticator.authenticateToken(token)
  t.true(authenticator.isCurrent(principal))
  let changes = 0
  const end = authenticator.onChange(() => {
    changes += 1
  })
  t.is(await codeOf(tokens.revoke('other', info.token_id, 'hub')), '404 token_not_found')
  t.like(await tokens.revoke('acme', info.token_id, someone('operator')), { revoked_by: 'user:the-operator' })
  end()
  t.is(changes, 1)
  t.is(await codeOf(authenticator.authenticateToken(token)), '401 token_revoked')
  t.false(authenticator.isCurrent(principal))
  await using again = await authRig({ store: rig.store, keyring: rig.keyring, clock: rig.clock })
  t.is(await codeOf(again.auth.authenticator.authenticateToken(token)), '401 token_revoked')
})

test('after a rotation the new key signs and the old one verifies until its tokens are expired', async (t) => {
  await using rig = await authRig({ maxTokenSeconds: 600 })
  const { tokens, authenticator, signingKeys } = rig.auth
  const old = (await tokens.issueJwt(viewer, 600)).token
  const before = signingKeys.current().kid
  const after = await tokens.rotateSigningKey('hub')
  t.not(before, after)
  t.is(signingKeys.current().kid, after)
  t.is(signingKeys.jwks().keys.length, 2)
  const fresh = (await tokens.issueJwt(viewer, 600)).token
  for (const token of [old, fresh]) t.is((await authenticator.authenticateToken(token)).id, 'alice')
  rig.clock.pass(700)
  await tokens.prune()
  t.deepEqual(
    signingKeys.jwks().keys.map(({ kid }) => kid),
    [after],
  )
  await using again = await authRig({ store: rig.store, keyring: rig.keyring })
  t.is(again.auth.signingKeys.current().kid, after)
})

test('a compromised key voids its tokens at once', async (t) => {
  await using rig = await authRig()
  const { tokens, authenticator } = rig.auth
  const { token } = await tokens.issueJwt(viewer, 600)
  await authenticator.authenticateToken(token)
  await tokens.rotateSigningKey('hub', true)
  t.is(await codeOf(authenticator.authenticateToken(token)), '401 token_invalid')
})

test('an API key is kept as a hash, and is refused when it is wrong, expired or revoked', async (t) => {
  await using rig = await authRig()
  const { tokens, authenticator } = rig.auth
  const expires = rig.clock.ms + 3_600_000
  const { token, info } = await tokens.issueApiKey({ ...viewer, label: 'wall display' }, expires)
  t.regex(token, /^lc_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$/)
  t.like(await authenticator.authenticateToken(token), {
    id: 'alice',
    role: 'viewer',
    tenant_id: 'acme',
    credential: 'api-key',
    token_id: info.token_id,
  })
  const secret = token.slice(-43)
  t.false(JSON.stringify(await rig.store.list('token', null)).includes(secret))
  t.false(JSON.stringify(await rig.store.auditPage(null, { limit: 100 })).includes(secret))
  t.false('secret_hash' in info)
  const wrong = [
    token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    `lc_aaaaaaaaaaaaaaaa_${secret}`,
    'lc_x_y',
    `lc___proto___${secret}`,
    `le_${token.slice(3)}`,
  ]
  for (const text of wrong)
    t.is(await codeOf(authenticator.authenticateToken(text)), '401 token_invalid', text)
  const principal = await authenticator.authenticateToken(token)
  await tokens.revoke('acme', info.token_id, 'hub')
  t.is(await codeOf(authenticator.authenticateToken(token)), '401 token_revoked')
  t.false(authenticator.isCurrent(principal))
  const { token: short } = await tokens.issueApiKey(viewer, expires)
  rig.clock.pass(3601)
  t.is(await codeOf(authenticator.authenticateToken(short)), '401 token_expired')
})

test('the use of an API key is noted later, once a minute, and never undoes a revocation', async (t) => {
  await using rig = await authRig()
  const { tokens, authenticator } = rig.auth
  const { token, info } = await tokens.issueApiKey(viewer)
  const lastUse = async () => (await tokens.get('acme', info.token_id))?.last_used_at
  await authenticator.authenticateToken(token)
  const noted = await until(lastUse, 'the use is noted')
  rig.clock.pass(30)
  await authenticator.authenticateToken(token)
  t.is(await lastUse(), noted)
  rig.clock.pass(31)
  const use = authenticator.authenticateToken(token)
  await Promise.all([use, tokens.revoke('acme', info.token_id, 'hub')])
  t.is(await codeOf(authenticator.authenticateToken(token)), '401 token_revoked')
  const [stored] = await tokens.list('acme')
  t.is(typeof stored?.revoked_at, 'number')
})

test('nobody gives away more than they have', async (t) => {
  await using rig = await authRig()
  const { tokens } = rig.auth
  const narrow = { ...someone('operator'), grants: { streams: ['cam-*'], actions: ['subscribe' as const] } }
  const refused: NewToken[] = [
    { ...viewer, by: someone('operator', 'other') },
    { ...viewer, role: 'operator', by: someone('director') },
    { ...viewer, by: someone('anonymous') },
    { ...viewer, by: narrow },
    { ...viewer, grants: { streams: ['cam-?', 'x'], actions: ['subscribe'] }, by: narrow },
    { ...viewer, grants: { streams: ['cam-1'], actions: ['publish'] }, by: narrow },
  ]
  for (const wanted of refused)
    t.is(await codeOf(tokens.issueApiKey(wanted)), '403 delegation_refused', JSON.stringify(wanted))
  const admin = { ...viewer, role: 'admin', tenant_id: null, by: someone('operator') } as const
  t.is(await codeOf(tokens.issueJwt(admin, 60)), '403 delegation_refused')
  t.is(await codeOf(tokens.issueJwt({ ...admin, tenant_id: 'acme', by: 'hub' }, 60)), '400 token_tenant')
  const fits: NewToken = { ...viewer, grants: { streams: ['cam-1*'], actions: ['subscribe'] }, by: narrow }
  t.is((await tokens.issueApiKey(fits)).info.issued_by, 'user:the-operator')
  await tokens.issueApiKey({ ...viewer, by: someone('admin', null) })
})

test('hubs on one database hear of each other', async (t) => {
  await using one = await authRig({ refreshMs: 50 })
  const shared = { store: one.store, keyring: one.keyring, clock: one.clock, refreshMs: 50 }
  await using two = await authRig(shared)
  const { token, info } = await one.auth.tokens.issueApiKey(viewer)
  const check = () => codeOf(two.auth.authenticator.authenticateToken(token))
  await until(async () => (await check()) === 'ok', 'the other hub takes the key')
  await one.auth.tokens.revoke('acme', info.token_id, 'hub')
  await until(async () => (await check()) === '401 token_revoked', 'the other hub refuses it')
  await one.auth.tokens.rotateSigningKey('hub')
  const { token: jwt } = await one.auth.tokens.issueJwt(viewer, 60)
  await until(
    async () => (await codeOf(two.auth.authenticator.authenticateToken(jwt))) === 'ok',
    'the other hub knows the new key',
  )
  t.pass()
})

test('every token that is given out or revoked is in the audit trail', async (t) => {
  await using rig = await authRig()
  const { info } = await rig.auth.tokens.issueJwt({ ...viewer, by: someone('operator') }, 60)
  await rig.auth.tokens.revoke('acme', info.token_id, someone('operator'))
  const records = await rig.store.auditPage('acme', { limit: 10 })
  t.deepEqual(
    records.map(({ actor, action, object }) => ({ actor, action, object })),
    ['token.issue', 'token.revoke'].map((action) => ({
      actor: 'user:the-operator',
      action,
      object: `token:${info.token_id}`,
    })),
  )
})
