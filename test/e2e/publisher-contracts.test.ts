import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { type ContractEnd, ContractKeeper } from '../../agent/contract/contract-keeper.ts'
import { HubClient, type HubRefusal } from '../../agent/node/hub-client.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import { flowSummarySchema } from '../../common/wire/flows-api.ts'
import { startFieldSender } from '../support/field-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** Media flows from senders by their contracts: asked for, renewed, revoked, and kept over a hub's restart. */

const flowsOf = async (hub: TestHub) =>
  z.object({ flows: z.array(flowSummarySchema) }).parse((await hub.api('GET', '/v1/flows')).body).flows

/** A keeper, and its reports. */
function keep(hubUrl: string, token: string, streamId: string) {
  const granted: FlowContract[] = []
  const ended: ContractEnd[] = []
  const refused: HubRefusal[] = []
  const keeper = new ContractKeeper(
    new HubClient({ hubUrl, token }),
    { stream_id: streamId, class: 'director' },
    {
      granted: (contract) => granted.push(contract),
      ended: (reason) => ended.push(reason),
      refused: (error) => refused.push(error),
    },
  )
  return { granted, ended, refused, [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose]() }
}

test('a sender keeps its contract: renewed at half its life, changed from afar, over when it is revoked', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([])
  await hub.putPolicy({ limits: { contract_seconds: 10 } })
  const token = await hub.issueToken({ role: 'publisher' })
  await using kept = keep(hub.url, token, 'cam-1')
  await until(() => kept.granted.length === 1, 'the contract')
  const [first] = kept.granted
  t.like(first, { stream_id: 'cam-1', class: 'director', transport: 'rist', version: 1 })
  t.is(first!.endpoints.length, 2)

  // Another class from afar comes at once.
  const askedAt = performance.now()
  const body = { stream_id: 'cam-1', reason: 'close-up', class: 'focus' }
  t.is((await hub.api('POST', '/v1/reroute', body)).status, 200)
  await until(() => kept.granted.length === 2, 'the newer version')
  t.true(performance.now() - askedAt < 1_000)
  t.like(kept.granted[1], { contract_id: first!.contract_id, class: 'focus', version: 2 })

  await until(() => kept.granted.length === 3, 'the renewal', 8_000)
  const renewed = kept.granted[2]!
  t.like(renewed, { contract_id: first!.contract_id, version: 3 })
  t.true(renewed.expires_at > first!.expires_at)
  t.deepEqual(renewed.keys, first!.keys)

  // Somebody else's stream is not to be had, and this one's contract not to be read.
  await using other = keep(hub.url, await hub.issueToken({ role: 'publisher', subject: 'eve' }), 'cam-1')
  await until(() => other.refused.length > 0, 'it is refused')
  t.is(other.refused[0]!.code, 'stream_taken')
  t.deepEqual(other.granted, [])

  t.is((await hub.api('DELETE', `/v1/flows/${first!.contract_id}`)).status, 204)
  await until(() => kept.ended.length === 1, 'the end')
  t.deepEqual(kept.ended, ['revoked'])
  t.deepEqual(kept.refused, [])
})

test('a field sender sends by its contract, and stops within two seconds of its end', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([])
  const grants = { streams: ['field'], actions: ['publish'] }
  const token = await hub.issueToken({ role: 'publisher', grants })
  const watching = await hub.issueToken({ role: 'viewer' })
  await using sender = await startFieldSender({
    hub_url: hub.url,
    token,
    stream_id: 'field',
    class: 'focus',
    card: { width: 640, height: 360, videoKbps: 800 },
  })
  await using viewer = await WeriftViewer.open(hub.url, 'field', { token: watching })
  const video = await viewer.track('video')
  t.is(viewer.contract.class, 'focus')
  const [flow] = await flowsOf(hub)
  t.like(sender.contracts[0], { type: 'contract', contract_id: flow!.contract_id, version: 1 })

  await hub.api('DELETE', `/v1/flows/${flow!.contract_id}`)
  const revokedAt = performance.now()
  await until(() => sender.contracts.some(({ type }) => type === 'contract-ended'), 'the sender is told')
  t.is((await viewer.closed).cause, 'revoked')
  t.is(viewer.state, 'ended')
  t.true(performance.now() - revokedAt < 2_000)
  t.true(video.packets.at(-1)!.at - revokedAt < 2_000)
})

test('a hub that comes back with its state goes on with the contract, one without it knows nobody', async (t) => {
  t.timeout(120_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-contracts-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  await using first = await startHub([], { dataDir })
  const bind = new URL(first.url).host
  const token = await first.issueToken({ role: 'publisher' })
  const watching = await first.issueToken({ role: 'viewer' })
  await using sender = await startFieldSender({
    hub_url: first.url,
    token,
    stream_id: 'field',
    class: 'director',
    card: { width: 640, height: 360, videoKbps: 800 },
  })
  const [before] = await flowsOf(first)

  first.process.kill('SIGKILL')
  await first.stop()
  await using second = await startHub([], { dataDir, bind })
  t.is(second.adminToken, '')
  await using viewer = await WeriftViewer.open(second.url, 'field', { token: watching })
  await viewer.track('video')
  t.deepEqual(
    new Set(sender.contracts.flatMap((told) => (told.type === 'contract' ? [told.contract_id] : []))),
    new Set([before!.contract_id]),
  )
  t.false(sender.contracts.some(({ type }) => type === 'contract-ended'))

  // Tokens are forgotten too, so this sender can only say that it is refused, and goes on asking.
  await second.stop()
  await using _third = await startHub([], { bind })
  await until(
    () => sender.contracts.some((told) => told.type === 'refused' && told.code === 'token_invalid'),
    'it is refused',
  )
})
