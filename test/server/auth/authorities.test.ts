import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import 'reflect-metadata'
import { X509Certificate as Certificate, X509Crl, X509CrlReason } from '@peculiar/x509'
import test from 'ava'
import { Keyring } from '../../../server/store/keyring.ts'
import { authRig, someone } from './auth-rig.ts'
import { codeOf } from './code-of.ts'
import { nodeKey } from './node-key.ts'

type Rig = Awaited<ReturnType<typeof authRig>>

async function enrol({ auth }: Rig, node_id: string) {
  const { token } = await auth.enrolment.issue(
    { tenant_id: 'acme', roles: ['edge'], node_id, by: 'hub' },
    600,
  )
  const { csr } = await nodeKey()
  return (await auth.enrolment.enrol({ token, csr, role: 'edge', capabilities: [] })).certificate
}

test('the CRL is signed by the CA and lists what was revoked until it expires', async (t) => {
  await using rig = await authRig()
  const { certificates, authorities } = rig.auth
  const [one, two] = [await enrol(rig, 'n1'), await enrol(rig, 'n2')]
  t.is(new X509Crl((await certificates.revocationList()).pem).entries.length, 0)
  await certificates.revoke('acme', one.serial, 'hub', 'keyCompromise')
  const list = await certificates.revocationList()
  const crl = new X509Crl(list.pem)
  t.true(await crl.verify({ publicKey: new Certificate(authorities.trusted()[0]!) }))
  t.is(crl.findRevoked(one.serial)?.reason, X509CrlReason.keyCompromise)
  t.is(crl.findRevoked(two.serial), null)
  t.true(crl.nextUpdate!.getTime() > rig.clock.ms)
  t.is(await certificates.revocationList(), list)
  rig.clock.pass(2 * 3600)
  t.not(await certificates.revocationList(), list)
  rig.clock.pass(31 * 86_400)
  t.is(new X509Crl((await certificates.revocationList()).pem).entries.length, 0)
  t.is(await codeOf(certificates.revocationList('nothing')), '404 authority_not_found')
})

test('OpenSSL agrees, strictly: certificates are for clients, the list revokes, the chain leads to the old CA', async (t) => {
  await using rig = await authRig()
  const { certificates, authorities } = rig.auth
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-ca-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const files = new Map<string, string>()
  const file = async (name: string, text: string) => {
    files.set(name, join(folder, name))
    await writeFile(files.get(name)!, text)
  }
  const verify = async (args: string) => {
    const words = args.split(' ').map((word) => files.get(word) ?? word)
    return await promisify(execFile)('openssl', ['verify', '-x509_strict', ...words]).then(
      () => 'ok',
      (error: { stderr: string }) => /error \d+[^:]*: (.*)/.exec(error.stderr)?.[1] ?? error.stderr,
    )
  }
  const [good, bad] = [await enrol(rig, 'n1'), await enrol(rig, 'n2')]
  await certificates.revoke('acme', bad.serial, 'hub', 'keyCompromise')
  await file('ca', authorities.trusted()[0]!)
  await file('crl', (await certificates.revocationList()).pem)
  await rig.auth.rotateAuthority('hub')
  await file('good', good.pem)
  await file('bad', bad.pem)
  await file('later', (await enrol(rig, 'n3')).pem)
  await file('chain', authorities.chain().join(''))
  t.is(await verify('-purpose sslclient -crl_check -CAfile ca -CRLfile crl good'), 'ok')
  t.is(await verify('-purpose sslclient -crl_check -CAfile ca -CRLfile crl bad'), 'certificate revoked')
  t.regex(await verify('-purpose sslserver -CAfile ca good'), /purpose/)
  t.is(await verify('-purpose sslclient -CAfile ca -untrusted chain later'), 'ok')
  t.not(await verify('-purpose sslclient -CAfile ca later'), 'ok')
})

test('after a rotation the new CA signs, the old one is trusted for its time, and chains lead to both', async (t) => {
  await using rig = await authRig()
  const { authorities, certificates } = rig.auth
  const old = await enrol(rig, 'n1')
  const first = authorities.currentId
  await rig.auth.rotateAuthority(someone('admin', null))
  const second = await rig.auth.rotateAuthority('hub')
  t.is(authorities.currentId, second)
  t.is(authorities.trusted().length, 3)
  t.true(certificates.isCurrent(old.serial))
  const fresh = await enrol(rig, 'n2')
  t.is(fresh.ca_id, second)

  // Who knows only the first CA can follow the chain to it.
  const chain = [fresh.pem, ...authorities.chain()].map((pem) => new X509Certificate(pem))
  const roots = authorities.trusted().map((pem) => new X509Certificate(pem))
  const oldest = roots.find(({ subject }) => subject.endsWith(first))!
  t.is(chain.length, 3)
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1] ?? oldest
    t.true(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey), String(index))
  }

  await certificates.revokeNode('acme', 'n1', 'hub', 'superseded')
  t.truthy(new X509Crl((await certificates.revocationList(first)).pem).findRevoked(old.serial))
  rig.clock.pass(91 * 86_400)
  await authorities.prune()
  t.deepEqual(authorities.trustedIds, [second])
  t.deepEqual(authorities.chain(), [])
  const trail = await rig.store.auditPage('_hub', { limit: 100 })
  t.true(trail.some(({ action, actor }) => action === 'authority.rotate' && actor === 'user:the-admin'))
})

test('what a compromised CA signed is not trusted any more', async (t) => {
  await using rig = await authRig()
  const { authorities, certificates } = rig.auth
  const { serial } = await enrol(rig, 'n1')
  await rig.auth.rotateAuthority('hub', true)
  t.is(authorities.trusted().length, 1)
  t.false(certificates.isCurrent(serial))
})

test('keys are sealed, survive a restart, and are sealed again after the master key changed', async (t) => {
  const key = (id: string) => ({ id, key: Buffer.alloc(32, id).toString('base64') })
  await using rig = await authRig({ keyring: new Keyring([key('one')]) })
  const [ca, kid] = [rig.auth.authorities.currentId, rig.auth.signingKeys.current().kid]
  const stored = JSON.stringify(
    await Promise.all(['certificate-authority', 'signing-key'].map((kind) => rig.store.list(kind, null))),
  )
  t.false(stored.includes('PRIVATE') || stored.includes('"d"'))
  t.is(stored.match(/sealed:1:one:/g)?.length, 2)
  {
    const keyring = new Keyring([key('one'), key('two')])
    await using rotated = await authRig({ store: rig.store, keyring })
    t.is(rotated.auth.authorities.currentId, ca)
  }
  await using again = await authRig({ store: rig.store, keyring: new Keyring([key('two')]) })
  t.is(again.auth.signingKeys.current().kid, kid)
  t.is((await enrol(again, 'n1')).ca_id, ca)
  const lost = authRig({ store: rig.store, keyring: new Keyring([key('three')]) })
  t.is(await codeOf(lost), '500 sealing_key_missing')
})
