import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { type FlowContract, flowContractSchema } from '../../../common/wire/flow-contract.ts'
import { flowSummarySchema, streamSummarySchema } from '../../../common/wire/flows-api.ts'
import { streamStatisticsSchema } from '../../../common/wire/statistics-api.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { freeUdpRange } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'
import { WeriftPublisher } from '../../support/werift-publisher.ts'

/** Contracts of streams with several inputs, at a real hub, without media. */

const PRIMARY = { role: 'primary' } as const
const STANDBY = { role: 'standby' } as const

async function publishes(hub: TestHub, token: string, request: object) {
  const { status, body } = await hub.api('POST', '/v1/publish', request, token)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
  return flowContractSchema.parse(body)
}

async function streamAt(hub: TestHub, streamId: string) {
  const { status, body } = await hub.api('GET', `/v1/streams/${streamId}`)
  return status === 200 ? streamSummarySchema.parse(body) : null
}

const inputsAt = async (hub: TestHub, streamId: string) =>
  (await streamAt(hub, streamId))?.switched?.inputs.map(({ id }) => id)

const users = async (hub: TestHub, ...subjects: string[]) =>
  Promise.all(subjects.map((subject) => hub.issueToken({ role: 'publisher', subject })))

test('several owners publish the inputs of one stream, which lives as long as any of them', async (t) => {
  await using hub = await startHub([], { workers: 1 })
  const [alice = '', bob = ''] = await users(hub, 'alice', 'bob')
  const spare = await publishes(hub, bob, { stream_id: 'cam1', class: 'focus', input: STANDBY })
  t.like(spare, { stream_id: 'cam1.standby', class: 'focus', video_codec: 'h264', version: 1 })
  t.deepEqual(spare.input, { of: 'cam1', role: 'standby', priority: 1 })
  t.deepEqual(await inputsAt(hub, 'cam1'), ['cam1.standby'])

  // A plain publisher of the stream is its primary, in the class of the stream.
  const main = await publishes(hub, alice, { stream_id: 'cam1', class: 'bulk' })
  t.like(main, { stream_id: 'cam1.primary', class: 'focus' })
  await publishes(hub, bob, { stream_id: 'cam1', input: { role: 'standby', priority: 2 } })
  t.deepEqual(await inputsAt(hub, 'cam1'), ['cam1.primary', 'cam1.standby', 'cam1.standby-2'])
  t.like(await streamAt(hub, 'cam1'), { class: 'focus', state: 'waiting', switched: { on_air: null } })

  // Whoever asks again renews; somebody else is refused.
  for (const request of [
    { stream_id: 'cam1' },
    { stream_id: 'cam1', input: PRIMARY },
    { stream_id: 'cam1.primary' },
  ]) {
    const again = await publishes(hub, alice, request)
    t.is(again.contract_id, main.contract_id)
    t.deepEqual(again.input, main.input)
    t.like(await hub.api('POST', '/v1/publish', request, bob), {
      status: 409,
      body: { error: { code: 'stream_taken' } },
    })
  }
  const renewed = await hub.api('POST', `/v1/flows/${spare.contract_id}/renew`, undefined, bob)
  t.like(renewed, { status: 200, body: { contract_id: spare.contract_id, version: 2 } })

  const { body } = await hub.api('GET', `/v1/flows/${main.contract_id}`)
  const summary = flowSummarySchema.parse(body)
  t.deepEqual(summary.input, { of: 'cam1', role: 'primary', priority: 1 })
  t.is(summary.on_air, false)
  const viewed = await hub.api('POST', '/v1/subscribe', { stream_id: 'cam1' })
  t.is(viewed.status, 200, JSON.stringify(viewed.body))

  t.like(await hub.api('PUT', '/v1/streams/cam1/priority', { priority: 200 }), {
    status: 200,
    body: { priority: 200 },
  })
  const take = (stream: string, input: string) => hub.api('POST', `/v1/streams/${stream}/take`, { input })
  t.like(await take('cam1', 'cam1.primary'), { status: 409, body: { error: { code: 'input_not_live' } } })
  t.like(await take('cam1', 'cam9'), { status: 404, body: { error: { code: 'input_not_found' } } })
  t.like(await take('cam9', 'cam1.primary'), { status: 404, body: { error: { code: 'stream_not_found' } } })
  t.like(await take('cam1.primary', 'cam1.primary'), {
    status: 409,
    body: { error: { code: 'stream_not_switched' } },
  })

  await hub.api('DELETE', `/v1/flows/${main.contract_id}`)
  t.deepEqual(await inputsAt(hub, 'cam1'), ['cam1.standby', 'cam1.standby-2'])
  t.is(await streamAt(hub, 'cam1.primary'), null)
  const { body: flows } = await hub.api('GET', '/v1/flows')
  for (const { contract_id } of (flows as { flows: { contract_id: string }[] }).flows)
    await hub.api('DELETE', `/v1/flows/${contract_id}`)
  t.is(await streamAt(hub, 'cam1'), null)
  const { body: viewers } = await hub.api('GET', '/v1/viewers')
  t.deepEqual(viewers, { viewers: [] })

  // The name is free again.
  const plain = await publishes(hub, bob, { stream_id: 'cam1' })
  t.is(plain.stream_id, 'cam1')
  t.is(plain.input, undefined)
})

test('what does not fit is refused with the way out, and what runs stays', async (t) => {
  await using hub = await startHub([], { workers: 1 })
  const [alice = '', bob = ''] = await users(hub, 'alice', 'bob')
  const refused = async (token: string, request: object, status: number, code: string) => {
    const answer = await hub.api('POST', '/v1/publish', request, token)
    t.like(answer, { status, body: { error: { code } } }, JSON.stringify(answer.body))
  }
  await publishes(hub, alice, { stream_id: 'plain' })
  await refused(alice, { stream_id: 'plain', input: STANDBY }, 409, 'stream_not_switched')
  // Somebody has the name of an input.
  await publishes(hub, bob, { stream_id: 'cam1.standby' })
  await refused(bob, { stream_id: 'cam1', input: STANDBY }, 409, 'stream_not_switched')
  await refused(alice, { stream_id: 'cam1', input: { role: 'main' } }, 400, 'bad_request')
  await refused(alice, { stream_id: 'cam1', input: { role: 'standby', priority: 9 } }, 400, 'bad_request')
  await refused(alice, { stream_id: 'c'.repeat(60), input: STANDBY }, 400, 'bad_stream_id')
  for (let priority = 1; priority <= 8; priority++)
    await publishes(hub, alice, { stream_id: 'full', input: { role: 'standby', priority } })
  await refused(alice, { stream_id: 'full', input: PRIMARY }, 409, 'too_many_inputs')
  t.is(await streamAt(hub, 'full.primary'), null)
  t.is((await inputsAt(hub, 'full'))?.length, 8)
  t.is((await streamAt(hub, 'plain'))?.state, 'waiting')
})

test('the rules of the stream hold for its inputs, and for nothing else', async (t) => {
  await using hub = await startHub([], { workers: 1 })
  await hub.putPolicy({
    acl: [
      { effect: 'allow', subjects: ['user:alice'], actions: ['publish', 'flow.read'], streams: ['cam1'] },
    ],
  })
  const [alice = ''] = await users(hub, 'alice')
  const contract = await publishes(hub, alice, { stream_id: 'cam1', input: STANDBY })
  const path = `/v1/flows/${contract.contract_id}`
  t.is((await hub.api('GET', path, undefined, alice)).status, 200)
  t.is((await hub.api('POST', `${path}/renew`, undefined, alice)).status, 200)
  t.is((await hub.api('DELETE', path, undefined, alice)).status, 403)
  for (const request of [{ stream_id: 'cam2', input: STANDBY }, { stream_id: 'cam2.standby' }])
    t.is((await hub.api('POST', '/v1/publish', request, alice)).status, 403)
})

test('pictures of an input in another codec than H.264 are refused, those of an ordinary stream are not', async (t) => {
  await using hub = await startHub([], { workers: 1 })
  const [alice = ''] = await users(hub, 'alice')
  const webrtc = { preferred_transports: ['webrtc'] }
  const produced = async (contract: FlowContract, mimeType: string) => {
    await using publisher = new WeriftPublisher(hub.url, contract)
    const { transport } = await publisher.publish()
    const codec = { mimeType, payloadType: 96, clockRate: 90_000 }
    const parameters =
      mimeType === 'video/H264' ? { 'packetization-mode': 1, 'profile-level-id': '42e01f' } : {}
    const request = {
      transport_id: transport!.id,
      kind: 'video' as const,
      rtp_parameters: {
        codecs: [{ ...codec, parameters }],
        encodings: [{ ssrc: 1234 }],
        rtcp: { cname: 'werift' },
      },
    }
    return await publisher.connection.request('produce', request).then(
      () => 'taken',
      (error: unknown) => String(error),
    )
  }
  const input = await publishes(hub, alice, { stream_id: 'cam1', input: STANDBY, ...webrtc })
  t.is(input.transport, 'webrtc')
  t.regex(await produced(input, 'video/VP8'), /video\/VP8 can't be an input of a stream with several inputs/)
  t.is(await produced(input, 'video/H264'), 'taken')
  t.is(await produced(await publishes(hub, alice, { stream_id: 'plain', ...webrtc }), 'video/VP8'), 'taken')
})

test('after kill -9 all inputs are there again, with their order, rules and ports', async (t) => {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-standby-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const ports = await freeUdpRange(20)
  const options = {
    workers: 1,
    dataDir: join(folder, 'data'),
    args: ['--rist-ports', `${ports}-${ports + 19}`],
  }
  await using first = await startHub([], options)
  const [alice = '', bob = ''] = await users(first, 'alice', 'bob')
  const rules = { return_after_ms: null, frozen_ms: 5000 }
  const spare = await publishes(first, bob, { stream_id: 'cam1', input: STANDBY })
  t.is((await first.api('PUT', '/v1/streams/cam1/priority', { priority: 200 })).status, 200)
  const main = await publishes(first, alice, { stream_id: 'cam1', input: { ...PRIMARY, rules } })
  t.is(await priorityOf(first, 'cam1'), 200)
  const gone = once(first.process, 'exit')
  first.process.kill('SIGKILL')
  await gone

  await using second = await startHub([], options)
  await until(async () => (await inputsAt2(second, alice))?.length === 2, 'both inputs are there')
  t.deepEqual(await inputsAt2(second, alice), ['cam1.primary', 'cam1.standby'])
  t.like(await rulesAt(second, alice), { ...rules, threshold_ms: 500 })
  for (const stream of ['cam1', 'cam1.primary', 'cam1.standby'])
    t.is(await priorityOf(second, stream, first.adminToken), 200)
  for (const [token, before, request] of [
    [alice, main, { stream_id: 'cam1' }],
    [bob, spare, { stream_id: 'cam1', input: STANDBY }],
  ] as const) {
    const again = await publishes(second, token, request)
    t.is(again.contract_id, before.contract_id)
    t.deepEqual(again.endpoints, before.endpoints)
    t.deepEqual(again.keys, before.keys)
  }
  // Rules change with a renewal; the standby's own count for nothing while the primary says any.
  const asked = (input: object) => ({ stream_id: 'cam1', input })
  await publishes(second, bob, asked({ ...STANDBY, rules: { threshold_ms: 2000 } }))
  t.like(await rulesAt(second, alice), { ...rules, threshold_ms: 500 })
  await publishes(second, alice, asked({ ...PRIMARY, rules: { threshold_ms: 700 } }))
  t.like(await rulesAt(second, alice), { threshold_ms: 700, return_after_ms: 5000, frozen_ms: null })
})

test('inputs of the configuration have contracts, and stay away one by one when they are revoked', async (t) => {
  const entry = (input: string, more = '') =>
    `[[streams]]\nstream_id = "cam1"\ninput = "${input}"\npassphrase = "a passphrase"\nlinks = 1\nauthentication = "passphrase"\n${more}`
  const toml = [entry('standby:2'), entry('primary', 'return_after_ms = false'), entry('standby')].join('\n')
  await using hub = await startHub([], { workers: 1, toml })
  t.deepEqual(await inputsAt(hub, 'cam1'), ['cam1.primary', 'cam1.standby', 'cam1.standby-2'])
  t.is((await streamAt(hub, 'cam1'))?.switched?.rules.return_after_ms, null)
  const [alice = ''] = await users(hub, 'alice')
  const taken = await hub.api('POST', '/v1/publish', { stream_id: 'cam1', input: STANDBY }, alice)
  t.is(taken.status, 409)
  const flows = z
    .object({ flows: z.array(flowSummarySchema) })
    .parse((await hub.api('GET', '/v1/flows')).body)
  const spare = flows.flows.find(({ stream_id }) => stream_id === 'cam1.standby')
  await hub.api('DELETE', `/v1/flows/${spare?.contract_id}`)
  t.deepEqual(await inputsAt(hub, 'cam1'), ['cam1.primary', 'cam1.standby-2'])
  const said = await hub.reload((text) => text.replace('input = "standby:2"', 'input = "standby:3"'))
  t.deepEqual(said['streams_added'], ['cam1.standby-3'])
  t.deepEqual(await inputsAt(hub, 'cam1'), ['cam1.primary', 'cam1.standby-3'])
})

/** As somebody who is no admin: a hub tells its admin token once. */
async function switchedAt(hub: TestHub, token: string) {
  const { body } = await hub.api('GET', '/v1/streams/cam1', undefined, token)
  return streamSummarySchema.safeParse(body).data?.switched
}

async function priorityOf(hub: TestHub, stream: string, token?: string) {
  const { body } = await hub.api('GET', `/v1/streams/${stream}/statistics`, undefined, token)
  return streamStatisticsSchema.safeParse(body).data?.priority
}

const inputsAt2 = async (hub: TestHub, token: string) =>
  (await switchedAt(hub, token))?.inputs.map(({ id }) => id)
const rulesAt = async (hub: TestHub, token: string) => (await switchedAt(hub, token))?.rules
