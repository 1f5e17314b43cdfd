import test from 'ava'
import { Peer, WebSocketTransport } from 'protoo-client'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { askHub } from '../../signaling/client/hub-request.ts'
import { RequestRefusal } from '../../signaling/client/publisher-connection.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { until } from '../support/until.ts'
import { askToPublish, WeriftPublisher } from '../support/werift-publisher.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** What publishers may say at the WebSocket door, and what becomes of their media. */

const SSRC = 0x1234_5678

let hub: TestHub
let pat: string
let viewer: string

test.before(async () => {
  hub = await startHub([], { workers: 2 })
  pat = await hub.issueToken({ role: 'publisher', subject: 'pat' })
  viewer = await hub.issueToken({ role: 'viewer', subject: 'vic' })
})

test.after.always(() => hub[Symbol.asyncDispose]())

/** A publisher whose sound arrives. */
async function live(streamId: string, text = streamId): Promise<WeriftPublisher> {
  const publisher = new WeriftPublisher(hub.url, await askToPublish(hub.url, pat, streamId))
  const { transport } = await publisher.publish()
  await publisher.connect(transport!)
  await publisher.produceAudio(transport!.id, SSRC)
  publisher.send(SSRC, text)
  await until(() => publisher.state === 'live', 'live')
  return publisher
}

/** A viewer that takes no media and keeps the data it is told. */
async function listenForData(streamId: string): Promise<{ readonly data: unknown[] } & Disposable> {
  const asked = { hubUrl: hub.url, path: '/v1/subscribe', token: viewer, body: { stream_id: streamId } }
  const { ticket } = (await askHub(asked, subscribeAnswerSchema)).join.webrtc
  const peer = new Peer(
    new WebSocketTransport(`${hub.url.replace(/^http/, 'ws')}/protoo`, { retry: { retries: 0 } }),
  )
  const data: unknown[] = []
  peer.on('notification', (notification) => {
    if (notification.method === 'data') data.push(notification.data)
  })
  await new Promise<void>((resolve) => void peer.on('open', resolve))
  await peer.request('join', { ticket, rtp_capabilities: { codecs: [], headerExtensions: [] } })
  return { data, [Symbol.dispose]: () => peer.close() }
}

const refusal = async (request: Promise<unknown>): Promise<readonly [status: number, code: string]> => {
  const error = await request.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof RequestRefusal) return [error.status, error.code]
  throw new Error(`no refusal: ${String(error)}`)
}

test('a contract over WebRTC has no ports and no keys, and says how to join', async (t) => {
  const contract = await askToPublish(hub.url, pat, 'terms')
  t.is(contract.transport, 'webrtc')
  t.is(contract.keys, null)
  t.is(contract.buffer, null)
  t.deepEqual(contract.endpoints, [])
  t.is(contract.join.protoo_url, '/protoo')
  t.is(contract.join.whip_url, '/whip/terms')
  const again = await askToPublish(hub.url, pat, 'terms')
  t.is(again.join.ticket, contract.join.ticket)
  t.is(again.version, 2)
  const other = await hub.issueToken({ role: 'publisher', subject: 'quinn' })
  const body = { stream_id: 'terms', preferred_transports: ['webrtc'] }
  const refused = await hub.api('POST', '/v1/publish', body, other)
  t.is(refused.status, 409)
  t.like(refused.body, { error: { code: 'stream_taken' } })
  const overRist = await hub.api('POST', '/v1/publish', { ...body, preferred_transports: ['rist'] }, pat)
  t.like(overRist.body, { error: { code: 'stream_taken' } })
  const operator = await hub.issueToken({ role: 'operator' })
  const listed = await hub.api('GET', '/v1/flows', undefined, operator)
  t.false(JSON.stringify(listed.body).includes(contract.join.ticket))
})

test('sound that a werift peer publishes reaches viewers as it is; silence is told, and its end', async (t) => {
  await using publisher = await live('voice')
  await using watching = await WeriftViewer.open(hub.url, 'voice', { token: viewer })
  const track = await watching.track('audio')
  t.regex(track.packets[0]!.payload.toString(), /^voice \d+$/)
  await until(() => publisher.heard.viewers.at(-1)?.count === 1, 'the publisher hears of its viewer')
  publisher.silence()
  await until(() => watching.state === 'input_lost', 'silence is told')
  publisher.send(SSRC, 'voice')
  await until(() => watching.state === 'live', 'and its end')
})

test('a publisher that comes back on another connection finds its media; nobody else gets the place', async (t) => {
  const contract = await askToPublish(hub.url, pat, 'place')
  await using first = new WeriftPublisher(hub.url, contract)
  const { transport } = await first.publish({ publisher_id: 'program-1' })
  await first.connect(transport!)
  const producerId = await first.produceAudio(transport!.id, SSRC)
  first.send(SSRC, 'place')
  await until(() => first.state === 'live', 'live')
  await using watching = await WeriftViewer.open(hub.url, 'place', { token: viewer })
  const track = await watching.track('audio')

  await using stranger = new WeriftPublisher(hub.url, contract)
  t.deepEqual(await refusal(stranger.publish({ publisher_id: 'program-2' })), [409, 'stream_taken'])
  t.deepEqual(await refusal(stranger.publish()), [409, 'stream_taken'])

  await using second = new WeriftPublisher(hub.url, contract)
  const resumed = await second.publish({ publisher_id: 'program-1', transport_id: transport!.id })
  t.is(resumed.transport?.id, transport!.id)
  t.deepEqual(resumed.producer_ids, [producerId])
  t.is((await first.closed).cause, 'lost')
  const before = track.packets.length
  await until(() => track.packets.length > before + 20, 'media goes on')
  t.false(track.closed)

  // Without the old transport the publisher begins again and feeds the same lane: viewers keep their consumer.
  const anew = await second.publish({ publisher_id: 'program-1' })
  t.not(anew.transport!.id, transport!.id)
  await second.connect(anew.transport!)
  await second.produceAudio(anew.transport!.id, SSRC + 1)
  second.send(SSRC + 1, 'anew')
  await until(() => track.packets.at(-1)!.payload.toString().startsWith('anew'), 'what is published anew')
  t.false(track.closed)
  t.deepEqual(watching.tracks, [track])
  t.true(steps(track.packets, TICKS_PER_MS.audio).every(({ sequence }) => sequence > 0 && sequence < 3000))
  t.deepEqual(watching.rejoins, [])
})

test('mute stops what is forwarded, and its end goes on with the same consumer', async (t) => {
  await using publisher = await live('mute')
  await using watching = await WeriftViewer.open(hub.url, 'mute', { token: viewer })
  const track = await watching.track('audio')
  const producer_id = publisher.producerIds[0]!
  await publisher.connection.request('pause-producer', { producer_id })
  const muted = track.packets.length
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.true(track.packets.length - muted < 4, `${track.packets.length - muted} packets while it was muted`)
  t.is(publisher.state, 'live')
  t.deepEqual(watching.states.at(-1)?.value.muted, ['audio'])
  await publisher.connection.request('resume-producer', { producer_id })
  await until(() => track.packets.length > muted + 20, 'sound again')
  t.false(track.closed)
  await publisher.connection.request('close-producer', { producer_id })
  await until(() => track.closed && watching.state === 'input_lost', 'the end of the track')
  t.deepEqual(await refusal(publisher.connection.request('pause-producer', { producer_id })), [
    404,
    'unknown_producer',
  ])
})

test('an end by hand stops media and connection at once', async (t) => {
  await using publisher = await live('end')
  await using watching = await WeriftViewer.open(hub.url, 'end', { token: viewer })
  await watching.track('audio')
  const { contract_id } = await askToPublish(hub.url, pat, 'end')
  const operator = await hub.issueToken({ role: 'operator' })
  t.is((await hub.api('DELETE', `/v1/flows/${contract_id}`, undefined, operator)).status, 204)
  t.is((await publisher.closed).cause, 'revoked')
  t.is((await watching.closed).cause, 'revoked')
})

test('a publisher that is done frees the stream at once', async (t) => {
  await using publisher = await live('done')
  await using watching = await WeriftViewer.open(hub.url, 'done', { token: viewer })
  await watching.track('audio')
  await publisher.connection.request('unpublish', {}).catch(() => {})
  t.is((await publisher.closed).cause, 'revoked')
  t.is((await watching.closed).cause, 'revoked')
  t.is(watching.state, 'ended')
  const other = await hub.issueToken({ role: 'publisher', subject: 'quinn' })
  t.is((await askToPublish(hub.url, other, 'done')).version, 1)
})

test('media that can not be forwarded is refused in words, and the connection stays', async (t) => {
  const contract = await askToPublish(hub.url, pat, 'refused')
  await using publisher = new WeriftPublisher(hub.url, contract)
  const { connection } = publisher
  t.deepEqual(await refusal(publisher.publish({ ticket: 'a'.repeat(32) })), [401, 'unknown_ticket'])
  t.deepEqual(await refusal(publisher.produceAudio('t', SSRC)), [409, 'not_publishing'])
  const { transport } = await publisher.publish()
  const transport_id = transport!.id
  const video = (mimeType: string, encodings: object[]) =>
    connection.request('produce', {
      transport_id,
      kind: 'video',
      rtp_parameters: { codecs: [{ mimeType, payloadType: 96, clockRate: 90_000 }], encodings },
    } as never)
  t.deepEqual(await refusal(video('video/H265', [{ ssrc: 1 }])), [415, 'codec_not_supported'])
  const two = [{ ssrc: 1 }, { ssrc: 2 }]
  t.deepEqual(await refusal(video('video/VP9', two)), [415, 'layers_not_supported'])
  const layered = [{ ssrc: 1, scalabilityMode: 'L3T3' }]
  t.deepEqual(await refusal(video('video/AV1', layered)), [415, 'layers_not_supported'])
  t.deepEqual(await refusal(video('video/VP8', [])), [400, 'bad_request'])
  t.deepEqual(await refusal(video('video/VP8', [{}])), [400, 'bad_rtp_parameters'])
  t.deepEqual(await refusal(publisher.produceAudio('another', SSRC)), [404, 'unknown_transport'])
  t.is(await hub.metric('rejected_total{reason="layers_not_supported"}'), 2)
  await publisher.produceAudio(transport_id, SSRC)
  t.deepEqual(await refusal(publisher.produceAudio(transport_id, SSRC + 1)), [409, 'already_producing'])
  t.deepEqual(await refusal(connection.request('fly' as never, {} as never)), [404, 'unknown_method'])
})

test('data reaches viewers with its time; too much data is refused', async (t) => {
  const contract = await askToPublish(hub.url, pat, 'data')
  await using publisher = new WeriftPublisher(hub.url, contract)
  await publisher.publish()
  using watching = await listenForData('data')
  const { connection } = publisher
  const at_unix_ms = 1_800_000_000_123
  await connection.request('data', { payload: { score: [1, 0], by: 'ä' }, at_unix_ms })
  await until(() => watching.data.length > 0, 'the data')
  t.like(watching.data[0], { payload: { score: [1, 0], by: 'ä' }, at_unix_ms })
  const long = { payload: 'ä'.repeat(512), at_unix_ms }
  t.deepEqual(await refusal(connection.request('data', long)), [400, 'bad_request'])
  const deep = { payload: JSON.parse(`${'['.repeat(4000)}${']'.repeat(4000)}`), at_unix_ms }
  t.deepEqual(await refusal(connection.request('data', deep)), [400, 'bad_request'])
  const many = Array.from({ length: 40 }, (_, n) => connection.request('data', { payload: n, at_unix_ms }))
  const settled = await Promise.allSettled(many)
  const refused = settled.filter(({ status }) => status === 'rejected')
  t.true(refused.length >= 8 && refused.length < 20, `${refused.length} were refused`)
  await until(() => watching.data.length === 1 + many.length - refused.length, 'the rest of the data')
})

test('a field sender with a contract for RIST is told what is wanted on the same door', async (t) => {
  const contract = await askToPublish(hub.url, pat, 'field', ['rist'])
  t.is(contract.transport, 'rist')
  t.truthy(contract.keys)
  t.is(contract.join.whip_url, null)
  await using control = new WeriftPublisher(hub.url, contract)
  const answer = await control.publish({ keyframes_on_request: false })
  t.is(answer.transport, null)
  t.is(answer.stream.state, 'waiting')
  await hub.api('POST', `/v1/flows/${contract.contract_id}/renew`, undefined, pat)
  const changed = await until(() => control.heard['contract-changed'][0], 'the renewed contract')
  t.is(changed.contract.version, 2)
  t.deepEqual(changed.contract.keys, contract.keys)
  const flood = Array.from({ length: 200 }, () => control.connection.request('clock', {}))
  const answers = await Promise.allSettled(flood)
  t.true(answers.some(({ status }) => status === 'rejected'))
  t.is((await control.closed).cause, 'lost')
  t.is(await hub.metric('rejected_total{reason="flood"}'), 1)
})

test('a request that is just leaving when the connection closes is over with it', async (t) => {
  const contract = await askToPublish(hub.url, pat, 'leaving')
  await using control = new WeriftPublisher(hub.url, contract)
  await control.publish()
  const asked = control.connection.request('clock', {})
  control.connection.close('closed by the test')
  await t.throwsAsync(asked, { message: 'closed by the test' })
})
