import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { flowContractSchema } from '../../common/wire/flow-contract.ts'
import { startHub } from '../support/hub.ts'
import { startPostgres } from '../support/postgres.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'

test('hubs on one PostgreSQL share policies and tokens, and each has its own contracts', async (t) => {
  t.timeout(60_000)
  await using server = await startPostgres()
  const DATABASE_URL = await server.createDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-hubs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const start = async (id: string) => {
    const rist = await freeUdpRange(10)
    const args = ['--hub-id', id, '--rist-ports', `${rist}-${rist + 9}`, '--data-dir', join(folder, id)]
    return startHub([], {
      workers: 1,
      args: [...args, '--keys-file', join(folder, 'keys')],
      env: { DATABASE_URL, AMNESIA: 'false' },
    })
  }
  const one = await start('hub-a')
  t.teardown(() => one[Symbol.asyncDispose]())
  const other = await start('hub-b')
  t.teardown(() => other[Symbol.asyncDispose]())
  t.is(other.adminToken, '', 'the first of them made the admin token')
  const api = (hub: typeof one, method: string, path: string, body?: unknown) =>
    hub.api(method, path, body, one.adminToken)

  const publish = async (hub: typeof one, stream_id: string) =>
    flowContractSchema.parse((await api(hub, 'POST', '/v1/publish', { stream_id })).body)
  const first = await publish(one, 'cam-1')
  t.is(first.endpoints[0]?.node_id, 'hub-a')
  const second = await publish(other, 'cam-2')
  t.is(second.endpoints[0]?.node_id, 'hub-b')

  // A policy and a token that one of them changed hold on the other a moment later.
  const viewer = await one.issueToken({ role: 'viewer' })
  const watch = (stream_id: string) => other.api('POST', '/v1/subscribe', { stream_id }, viewer)
  await until(async () => (await watch('cam-2')).status === 200, 'the other hub takes the token')
  await one.putPolicy({ acl: [] })
  await until(async () => (await watch('cam-2')).status === 403, 'the policy holds there too')

  // A hub that is killed and started again takes up its own contracts and nothing else.
  other.process.kill('SIGKILL')
  await once(other.process, 'exit')
  const again = await start('hub-b')
  t.teardown(() => again[Symbol.asyncDispose]())
  t.is((await api(again, 'GET', `/v1/flows/${second.contract_id}`)).status, 200)
  t.is((await api(again, 'GET', `/v1/flows/${first.contract_id}`)).status, 404)
  t.is((await api(one, 'GET', `/v1/flows/${first.contract_id}`)).status, 200)
})
