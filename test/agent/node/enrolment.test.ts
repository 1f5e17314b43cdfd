import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { CertificateKeeper } from '../../../agent/node/certificate-keeper.ts'
import { enrol, renewIdentity } from '../../../agent/node/enrolment.ts'
import { HubClient } from '../../../agent/node/hub-client.ts'
import { HubClock } from '../../../agent/node/hub-clock.ts'
import { type CertifiedIdentity, loadIdentity, saveIdentity } from '../../../agent/node/node-identity.ts'
import { startHub } from '../../support/hub.ts'
import { trustHub } from '../../support/trust-hub.ts'
import { until } from '../../support/until.ts'

const { signal } = new AbortController()

const issued = z.object({ token: z.string(), authorities: z.array(z.string()).min(1) })

test('a machine becomes a node by a token, publishes by its certificate and renews it', async (t) => {
  t.timeout(60_000)
  await using hub = await startHub([], { workers: 1, args: ['--tls', 'on'] })
  await trustHub(hub)
  const { token, authorities } = issued.parse(
    (
      await hub.api('POST', '/v1/enrolment-tokens', {
        tenant_id: 'default',
        roles: ['sender'],
        node_id: 'van-1',
      })
    ).body,
  )
  const wanted = { hubUrl: hub.url, token, authorities }
  await t.throwsAsync(enrol({ ...wanted, hubUrl: hub.url.replace('https', 'http') }, signal), {
    code: 'hub_without_tls',
  })
  const first = await enrol(wanted, signal)
  t.is(first.node_id, 'van-1')
  await t.throwsAsync(enrol(wanted, signal), { code: 'enrolment_token_used' })

  const folder = await mkdtemp(join(tmpdir(), 'lanecast-identity-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'of/node.json')
  t.is(await loadIdentity(file), undefined)
  await saveIdentity(file, first)
  t.is((await stat(file)).mode & 0o777, 0o600)
  t.deepEqual(await loadIdentity(file), first)

  const clientOf = (identity: CertifiedIdentity) =>
    new HubClient({ hubUrl: hub.url, identity: () => identity })
  const { contract } = await clientOf(first).publish({ stream_id: 'cam-1' }, signal)
  t.like((await hub.api('GET', `/v1/flows/${contract.contract_id}`)).body, { owner: 'node:van-1' })
  // Whatever a node asks for shows that it lives.
  t.like((await hub.api('GET', '/v1/nodes/van-1')).body, { up: true })

  const errors: unknown[] = []
  await using keeper = new CertificateKeeper(
    // As if two thirds of its life were over in a moment.
    { ...first, issued_at: Date.now(), not_after: Date.now() + 300 },
    {
      clock: new HubClock(),
      save: (identity) => saveIdentity(file, identity),
      onError: (error) => errors.push(error),
    },
  )
  await until(() => keeper.identity.certificate !== first.certificate, 'the certificate is renewed')
  t.deepEqual(errors, [])
  t.deepEqual(await loadIdentity(file), keeper.identity)
  t.not(keeper.identity.key, first.key)
  t.true(keeper.identity.not_after - Date.now() > 86_400_000)
  const renewed = await clientOf(keeper.identity).renew(contract.contract_id, signal)
  t.is(renewed.contract.version, 2)

  // A revoked node is out, and so is its stream.
  t.is((await hub.api('POST', '/v1/nodes/van-1/revoke', { reason: 'keyCompromise' })).status, 200)
  for (const identity of [first, keeper.identity])
    await t.throwsAsync(clientOf(identity).publish({ stream_id: 'cam-2' }, signal), {
      code: 'certificate_revoked',
    })
  await t.throwsAsync(renewIdentity(first, new HubClock(), signal), { code: 'certificate_revoked' })
  await until(
    async () => (await hub.api('GET', `/v1/flows/${contract.contract_id}`)).status === 404,
    'its contract is over',
  )
})

test('a node does not talk to a hub that it does not know', async (t) => {
  await using hub = await startHub([], { workers: 1, args: ['--tls', 'on'] })
  const wanted = { hubUrl: hub.url, token: 'le_x', authorities: [] }
  const error = await t.throwsAsync(enrol(wanted, signal))
  t.regex(String(error), /certificate/)
})
