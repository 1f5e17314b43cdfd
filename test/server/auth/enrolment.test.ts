import { X509Certificate } from 'node:crypto'
import test from 'ava'
import type { EnrollingNode, Together } from '../../../server/auth/enrolment.ts'
import { authRig, someone } from './auth-rig.ts'
import { codeOf } from './code-of.ts'
import { nodeKey } from './node-key.ts'

const sender = { tenant_id: 'acme', roles: ['sender'], by: 'hub' } as const
const ask = { role: 'sender', capabilities: [] } as const

const presentedBy = (pem: string, trusted = true) => {
  const { serialNumber, fingerprint256 } = new X509Certificate(pem)
  return {
    serial: serialNumber.toLowerCase(),
    fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    trusted,
  }
}

test('a token and a CSR become a certificate that says only what the hub says', async (t) => {
  await using rig = await authRig()
  const { enrolment, authenticator } = rig.auth
  for (const kind of ['P-256', 'Ed25519'] as const) {
    const { token } = await enrolment.issue({ ...sender, node_id: `cam-van-${kind}` }, 600)
    t.regex(token, /^le_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$/)
    const { csr } = await nodeKey(kind, 'CN=admin, O=somebody else')
    const { certificate, authorities, ...node } = await enrolment.enrol({ ...ask, token, csr })
    t.like(node, { tenant_id: 'acme', node_id: `cam-van-${kind}`, role: 'sender' })
    const read = new X509Certificate(certificate.pem)
    t.is(read.subject, `CN=cam-van-${kind}`)
    t.is(read.subjectAltName, `URI:lanecast:tenant/acme/node/cam-van-${kind}`)
    t.false(read.ca)
    t.deepEqual(read.keyUsage, ['1.3.6.1.5.5.7.3.2'])
    const days = (Date.parse(read.validTo) - rig.clock.ms) / 86_400_000
    t.true(days > 29.9 && days <= 30, `${days} days`)
    const ca = new X509Certificate(authorities[0]!)
    t.true(read.verify(ca.publicKey) && read.checkIssued(ca) && ca.ca)
    t.like(await authenticator.authenticate({ certificate: presentedBy(certificate.pem) }), {
      id: `cam-van-${kind}`,
      role: 'node',
      tenant_id: 'acme',
      node_id: `cam-van-${kind}`,
      credential: 'certificate',
      token_id: certificate.serial,
    })
  }
})

test('a token is used once, also by two at the same moment', async (t) => {
  await using rig = await authRig()
  const { enrolment, certificates } = rig.auth
  const { token } = await enrolment.issue(sender, 600)
  const keys = await Promise.all([nodeKey(), nodeKey(), nodeKey()])
  const codes = await Promise.all(keys.map(({ csr }) => codeOf(enrolment.enrol({ ...ask, token, csr }))))
  t.deepEqual(codes.sort(), ['409 enrolment_token_used', '409 enrolment_token_used', 'ok'])
  t.is(await codeOf(enrolment.enrol({ ...ask, token, csr: keys[0].csr })), '409 enrolment_token_used')
  t.is((await certificates.list('acme')).length, 1)
})

test('wrong, expired and revoked tokens, other roles and capabilities are refused and change nothing', async (t) => {
  await using rig = await authRig()
  const { enrolment, certificates } = rig.auth
  const { csr } = await nodeKey()
  const { token, info } = await enrolment.issue({ ...sender, capabilities: ['rist'] }, 600)
  const attempts: [string, { token?: string; role?: 'sender' | 'hub'; capabilities?: string[] }][] = [
    ['401 enrolment_token_invalid', { token: `le_aaaaaaaaaaaaaaaa_${token.slice(-43)}` }],
    ['401 enrolment_token_invalid', { token: token.replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')) }],
    ['401 enrolment_token_invalid', { token: '' }],
    ['401 enrolment_token_invalid', { token: 'le___proto___x' }],
    ['403 enrolment_role', { role: 'hub' }],
    ['403 enrolment_capability', { capabilities: ['rist', 'relay'] }],
  ]
  for (const [code, change] of attempts)
    t.is(await codeOf(enrolment.enrol({ ...ask, token, csr, ...change })), code, JSON.stringify(change))
  rig.clock.pass(601)
  t.is(await codeOf(enrolment.enrol({ ...ask, token, csr })), '401 enrolment_token_expired')
  rig.clock.pass(-601)
  await enrolment.revoke('acme', info.enrolment_token_id, 'hub')
  t.is(await codeOf(enrolment.enrol({ ...ask, token, csr })), '401 enrolment_token_invalid')
  t.deepEqual(await certificates.list('acme'), [])
})

test('only a CSR with a right signature and a P-256 or Ed25519 key is taken, and a refusal costs no token', async (t) => {
  await using rig = await authRig()
  const { enrolment } = rig.auth
  const { token } = await enrolment.issue(sender, 600)
  const { csr } = await nodeKey()
  const body = csr.replaceAll(/-----[^-]+-----|\s/g, '')
  const pem = (base64: string) =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----\n`
  const der = Buffer.from(body, 'base64')
  der[der.length - 1] = der[der.length - 1]! ^ 1
  const attempts: [string, string][] = [
    ['400 csr_key', (await nodeKey('P-384')).csr],
    ['400 csr_key', (await nodeKey('RSA')).csr],
    ['400 csr_invalid', pem(der.toString('base64'))],
    ['400 csr_invalid', pem(body.slice(0, 100))],
    ['400 csr_invalid', pem('AAAA')],
    ['400 csr_invalid', ''],
    ['400 csr_invalid', csr + csr],
    ['400 csr_invalid', `${csr}${' '.repeat(9000)}`],
    ['400 csr_invalid', csr.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE')],
  ]
  for (const [code, text] of attempts)
    t.is(await codeOf(enrolment.enrol({ ...ask, token, csr: text })), code, text.slice(0, 60))
  t.is(await codeOf(enrolment.enrol({ ...ask, token, csr })), 'ok')
})

test("the caller's documents are written with the certificate or not at all", async (t) => {
  await using rig = await authRig()
  const { enrolment, certificates } = rig.auth
  const { token } = await enrolment.issue(sender, 600)
  const put =
    (expected_version: number) =>
    ({ node_id }: EnrollingNode): Together => {
      const place = { kind: 'node', tenant_id: 'acme', id: node_id }
      return { changes: [{ op: 'put', ...place, body: { up: true }, expected_version }] }
    }
  const first = await nodeKey()
  t.is(await codeOf(enrolment.enrol({ ...ask, token, csr: first.csr }, put(7))), '412 version_conflict')
  t.deepEqual(await certificates.list('acme'), [])
  const { node_id } = await enrolment.enrol({ ...ask, token, csr: first.csr }, put(0))
  t.regex(node_id, /^sender-[a-z2-7]{10}$/)
  t.truthy(await rig.store.get('node', 'acme', node_id))
  const trail = await rig.store.auditPage('acme', { limit: 10 })
  t.deepEqual(
    trail.map(({ action }) => action),
    ['enrolment.issue', 'node.enrol'],
  )
  t.is(trail[1]!.actor, `node:${node_id}`)
})

test('a certificate is renewed by itself, and refused once it is revoked, expired or unknown', async (t) => {
  await using rig = await authRig()
  const { enrolment, certificates, authenticator } = rig.auth
  const { token } = await enrolment.issue(sender, 600)
  const first = await enrolment.enrol({ ...ask, token, csr: (await nodeKey()).csr })
  const one = presentedBy(first.certificate.pem)
  const node = await authenticator.authenticate({ certificate: one })
  t.is(await codeOf(certificates.renew(someone('node'), (await nodeKey()).csr)), '403 certificate_required')
  const second = await certificates.renew(node, (await nodeKey()).csr)
  const two = presentedBy(second.certificate.pem)
  t.is((await authenticator.authenticate({ certificate: two })).node_id, first.node_id)
  t.is(await codeOf(authenticator.authenticate({ certificate: one })), 'ok')

  await certificates.revoke('acme', one.serial, someone('operator'), 'keyCompromise')
  t.is(await codeOf(authenticator.authenticate({ certificate: one })), '401 certificate_revoked')
  t.is(await codeOf(certificates.renew(node, (await nodeKey()).csr)), '401 certificate_revoked')
  t.false(authenticator.isCurrent(node))
  t.is(await codeOf(authenticator.authenticate({ certificate: two })), 'ok')
  t.is(
    await codeOf(certificates.revoke('other', two.serial, 'hub', 'unspecified')),
    '404 certificate_not_found',
  )

  t.is(
    await codeOf(authenticator.authenticate({ certificate: { ...two, trusted: false } })),
    '401 certificate_untrusted',
  )
  t.is(
    await codeOf(authenticator.authenticate({ certificate: { ...two, fingerprint: one.fingerprint } })),
    '401 certificate_untrusted',
  )
  rig.clock.pass(31 * 86_400)
  t.is(await codeOf(authenticator.authenticate({ certificate: two })), '401 certificate_expired')
  rig.clock.pass(2 * 86_400)
  await certificates.prune()
  t.deepEqual(await certificates.list('acme'), [])
})

test("neither another node's key nor a revoked key is certified again", async (t) => {
  await using rig = await authRig()
  const { enrolment, certificates } = rig.auth
  const { csr } = await nodeKey()
  const issue = async (node_id: string) => (await enrolment.issue({ ...sender, node_id }, 600)).token
  const { certificate } = await enrolment.enrol({ ...ask, token: await issue('n1'), csr })
  const foreign = await issue('n2')
  t.is(await codeOf(enrolment.enrol({ ...ask, token: foreign, csr })), '409 csr_key_used')
  // The same node again: its certificate before is no longer good.
  await enrolment.enrol({ ...ask, token: await issue('n1'), csr })
  t.deepEqual(
    certificates
      .ofNode('acme', 'n1')
      .map(({ reason }) => reason)
      .sort(),
    [null, 'superseded'],
  )
  t.is(certificates.isCurrent(certificate.serial), false)
  await certificates.revokeNode('acme', 'n1', 'hub', 'keyCompromise')
  t.is(await codeOf(enrolment.enrol({ ...ask, token: await issue('n1'), csr })), '409 csr_key_used')
})

test('revoking a node ends its certificates and its tokens', async (t) => {
  await using rig = await authRig()
  const { enrolment, tokens, authenticator } = rig.auth
  const { token } = await enrolment.issue({ ...sender, node_id: 'n1' }, 600)
  const { certificate } = await enrolment.enrol({ ...ask, token, csr: (await nodeKey()).csr })
  const jwt = await tokens.issueJwt(
    { subject: 'n1', role: 'node', tenant_id: 'acme', node_id: 'n1', by: 'hub' },
    600,
  )
  t.is(await rig.auth.revokeNode('acme', 'n1', someone('operator'), 'privilegeWithdrawn'), 2)
  t.is(await codeOf(authenticator.authenticateToken(jwt.token)), '401 token_revoked')
  t.is(
    await codeOf(authenticator.authenticate({ certificate: presentedBy(certificate.pem) })),
    '401 certificate_revoked',
  )
})

test('who may give out enrolment tokens', async (t) => {
  await using rig = await authRig()
  const { enrolment } = rig.auth
  const codes = {
    'its own operator': await codeOf(enrolment.issue({ ...sender, by: someone('operator') }, 60)),
    'another operator': await codeOf(enrolment.issue({ ...sender, by: someone('operator', 'other') }, 60)),
    'a viewer': await codeOf(enrolment.issue({ ...sender, by: someone('viewer') }, 60)),
    'an operator for the hub': await codeOf(
      enrolment.issue({ ...sender, tenant_id: null, by: someone('operator') }, 60),
    ),
    'the admin for the hub': await codeOf(
      enrolment.issue({ ...sender, tenant_id: null, by: someone('admin', null) }, 60),
    ),
    'for a year': await codeOf(enrolment.issue(sender, 365 * 86_400)),
  }
  t.deepEqual(codes, {
    'its own operator': 'ok',
    'another operator': '403 delegation_refused',
    'a viewer': '403 delegation_refused',
    'an operator for the hub': '403 delegation_refused',
    'the admin for the hub': 'ok',
    'for a year': '400 token_lifetime',
  })
})
