import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { FileIdentity } from '../../../server/tls/file-identity.ts'
import { IssuedIdentity, subjectNames } from '../../../server/tls/issued-identity.ts'
import { openTls } from '../../../server/tls/open-tls.ts'
import type { CertificateSource } from '../../../server/tls/tls-requirement.ts'
import { until } from '../../support/until.ts'
import { authRig, Clock, logger } from '../auth/auth-rig.ts'
import { codeOf } from '../auth/code-of.ts'
import { nodeKey } from '../auth/node-key.ts'
import { ask, serveTls } from './tls-rig.ts'

const run = promisify(execFile)
type Rig = Awaited<ReturnType<typeof authRig>>
const fromAuthority = { from: 'authority', bind: '127.0.0.1', names: ['hub.example'] } as const

async function enrol({ auth }: Rig, kind: 'P-256' | 'Ed25519' = 'P-256') {
  const { token } = await auth.enrolment.issue({ tenant_id: 'acme', roles: ['sender'], by: 'hub' }, 600)
  const { key, csr } = await nodeKey(kind)
  const enrolled = await auth.enrolment.enrol({ token, csr, role: 'sender', capabilities: [] })
  return { ...enrolled, client: { cert: enrolled.certificate.pem, key, ca: [...enrolled.authorities] } }
}

/** A certificate of nobody's, as an operator or an intruder has one. */
async function selfSigned(folder: string, name: string): Promise<{ certFile: string; keyFile: string }> {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...[
      '-subj',
      `/CN=${name}`,
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      keyFile,
      '-out',
      certFile,
    ],
  ])
  return { certFile, keyFile }
}

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'lanecast-tls-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

test("a hub shows its own CA's certificate, and a node proves itself with its own", async (t) => {
  await using rig = await authRig({ clock: new Clock() })
  const { authorities } = rig.auth
  await using tls = await openTls({ certificate: fromAuthority, authorities, logger })
  await using served = await serveTls(tls, rig.auth)
  const ca = authorities.trusted()
  for (const servername of ['localhost', 'hub.example'])
    t.is((await ask(served.port, { ca, servername })).body['role'], 'anonymous', servername)
  await t.throwsAsync(ask(served.port, { ca, servername: 'other.example' }), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
  await t.throwsAsync(ask(served.port, {}), { message: /certificate/ })
  for (const kind of ['P-256', 'Ed25519'] as const) {
    const node = await enrol(rig, kind)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const answer = await ask(served.port, { ...node.client, minVersion: version, maxVersion: version })
      t.is(answer.protocol, version)
      t.deepEqual(answer.body, { id: node.node_id, role: 'node', credential: 'certificate' })
    }
  }
  const alice = { subject: 'alice', role: 'viewer', tenant_id: 'acme', by: 'hub' } as const
  const { token } = await rig.auth.tokens.issueApiKey(alice)
  const node = await enrol(rig)
  const both = await ask(served.port, { ...node.client, headers: { authorization: `Bearer ${token}` } })
  t.is(both.body['id'], 'alice')
})

test('TLS older than 1.2 is refused', async (t) => {
  await using rig = await authRig()
  const { authorities } = rig.auth
  await using tls = await openTls({ certificate: fromAuthority, authorities, logger })
  await using served = await serveTls(tls, rig.auth)
  const old = { ca: authorities.trusted(), minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const
  await t.throwsAsync(ask(served.port, { ...old, ciphers: 'DEFAULT@SECLEVEL=0' }))
})

test('a certificate that is revoked, expired or not ours is refused, with what is wrong', async (t) => {
  await using files = await folder()
  await using rig = await authRig()
  const { authorities, certificates } = rig.auth
  await using tls = await openTls({ certificate: fromAuthority, authorities, logger })
  await using served = await serveTls(tls, rig.auth)
  const ca = authorities.trusted()
  const refusal = async ({ cert, key }: { cert: string; key: string }) => {
    const { status, body } = await ask(served.port, { ca, cert, key })
    return `${status} ${body['code']}`
  }
  const node = await enrol(rig)
  t.is((await ask(served.port, node.client)).status, 200)
  await certificates.revoke('acme', node.certificate.serial, 'hub', 'keyCompromise')
  t.is(await refusal(node.client), '401 certificate_revoked')

  const late = await enrol(rig)
  rig.clock.pass(31 * 86_400)
  t.is(await refusal(late.client), '401 certificate_expired')
  rig.clock.pass(-31 * 86_400)

  await using other = await authRig()
  t.is(await refusal((await enrol(other)).client), '401 certificate_untrusted')
  const own = await selfSigned(files.path, node.node_id)
  const read = async (file: string) => (await run('cat', [file])).stdout
  t.is(
    await refusal({ cert: await read(own.certFile), key: await read(own.keyFile) }),
    '401 certificate_untrusted',
  )
  // The certificate of another's is of no use without its key.
  const stolen = await enrol(rig)
  await t.throwsAsync(refusal({ cert: stolen.certificate.pem, key: (await nodeKey()).key }))
})

test('a revocation also counts on a connection that is open', async (t) => {
  await using rig = await authRig()
  const { authorities } = rig.auth
  await using tls = await openTls({ certificate: fromAuthority, authorities, logger })
  await using served = await serveTls(tls, rig.auth)
  const node = await enrol(rig)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.is((await ask(served.port, { ...node.client, agent })).status, 200)
  await rig.auth.revokeNode('acme', node.node_id, 'hub', 'keyCompromise')
  t.is((await ask(served.port, { ...node.client, agent })).body['code'], 'certificate_revoked')
  agent.destroy()
})

test('after a CA rotation both nodes of before and of after are served, each by what it trusts', async (t) => {
  await using rig = await authRig()
  const { authorities } = rig.auth
  await using tls = await openTls({ certificate: fromAuthority, authorities, logger })
  await using served = await serveTls(tls, rig.auth)
  const before = await enrol(rig)
  const { serial } = await ask(served.port, before.client)
  await rig.auth.rotateAuthority('hub')
  const renewed = await until(async () => {
    const answer = await ask(served.port, before.client)
    return answer.serial === serial ? undefined : answer
  }, 'the hub shows a certificate of the new CA')
  t.is(renewed.body['id'], before.node_id)
  const after = await enrol(rig)
  const onlyNew = { ...after.client, ca: after.authorities[0]! }
  t.is((await ask(served.port, onlyNew)).body['id'], after.node_id)
})

test("the hub's certificate is renewed before it expires, without a break", async (t) => {
  await using rig = await authRig()
  const { clock } = rig
  const { authorities } = rig.auth
  await using identity = await IssuedIdentity.open({
    authorities,
    bind: '0.0.0.0',
    names: [],
    days: 30,
    checkMs: 20,
    now: clock.now,
    logger,
  })
  const first = identity.current.certificate
  clock.pass(19 * 86_400)
  let changes = 0
  identity.onChange(() => {
    changes += 1
  })
  t.is(identity.current.certificate, first)
  clock.pass(2 * 86_400)
  await until(() => changes === 1, 'it is renewed')
  t.not(identity.current.certificate, first)
  const names = subjectNames('0.0.0.0', ['hub.example', '192.0.2.1']).map(({ value }) => value)
  for (const name of ['hub.example', '192.0.2.1', 'localhost', '127.0.0.1', '::1'])
    t.true(names.includes(name), name)
})

test('certificate files are read again when they change, and never half', async (t) => {
  await using files = await folder()
  await using rig = await authRig()
  const { authorities } = rig.auth
  const [one, two] = [await selfSigned(files.path, 'one'), await selfSigned(files.path, 'two')]
  await using identity = await FileIdentity.open({ ...one, pollMs: 20, logger })
  const subjectOf = async () => {
    await using tls = await openTls({ certificate: { from: 'files', ...one }, authorities, logger })
    await using served = await serveTls(tls, rig.auth)
    return (await ask(served.port, { rejectUnauthorized: false })).subject
  }
  t.is(await subjectOf(), 'CN=one')
  const before = identity.current
  await rename(two.certFile, one.certFile)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.is(identity.current, before)
  await rename(two.keyFile, one.keyFile)
  await until(() => identity.current !== before, 'both were read')
  t.is(await subjectOf(), 'CN=two')
  for (const half of ['', '\n', 'not a certificate']) {
    await writeFile(one.certFile, half)
    await new Promise((resolve) => setTimeout(resolve, 100))
    t.regex(identity.current.certificate, /BEGIN CERTIFICATE/)
  }
})

test('certificate files that are not usable are said at the start', async (t) => {
  await using files = await folder()
  const [one, two] = [await selfSigned(files.path, 'one'), await selfSigned(files.path, 'two')]
  for (const wrong of [
    { ...one, keyFile: two.keyFile },
    { ...one, certFile: join(files.path, 'missing') },
    { certFile: one.keyFile, keyFile: one.certFile },
  ])
    t.is(await codeOf(FileIdentity.open({ ...wrong, logger })), '500 bad_config')
})

test('another certificate is got ready, and shown once it is taken; one that can’t be changes nothing', async (t) => {
  await using files = await folder()
  await using rig = await authRig()
  const { authorities } = rig.auth
  const [one, two] = [await selfSigned(files.path, 'one'), await selfSigned(files.path, 'two')]
  await using tls = await openTls({ certificate: { from: 'files', ...one }, authorities, logger })
  await using served = await serveTls(tls, rig.auth)
  const subject = async () => (await ask(served.port, { rejectUnauthorized: false })).subject
  const take = async (certificate: CertificateSource, taken: boolean) => {
    const change = await tls.prepare(certificate)
    await using stack = new AsyncDisposableStack()
    stack.defer(async () => change[Symbol.asyncDispose]?.())
    if (taken) await change.commit()
    return change.changes
  }
  t.true(await take({ from: 'files', ...two }, false))
  t.is(await subject(), 'CN=one')
  t.false(await take({ from: 'files', ...one }, false), 'the same files, with the same in them')
  t.true(await take({ from: 'files', ...two }, true))
  t.is(await subject(), 'CN=two')
  t.is(await codeOf(tls.prepare({ from: 'files', ...one, keyFile: two.keyFile })), '500 bad_config')
  t.is(await subject(), 'CN=two')
  // Files of the same names that hold another certificate now.
  await Promise.all([rename(one.certFile, two.certFile), rename(one.keyFile, two.keyFile)])
  t.true(await take({ from: 'files', ...two }, true))
  t.is(await subject(), 'CN=one')
  const own = { from: 'authority', bind: '127.0.0.1', names: ['hub.example'] } as const
  t.true(await take(own, true))
  t.is(await subject(), 'CN=Lanecast hub')
  t.false(await take(own, false))
})
