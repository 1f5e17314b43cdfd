import test, { type ExecutionContext } from 'ava'
import { parse } from 'sdp-transform'
import { z } from 'zod'
import { flowContractSchema } from '../../common/wire/flow-contract.ts'
import {
  flowSummarySchema,
  streamSummarySchema,
  subscribeAnswerSchema,
  viewerSummarySchema,
} from '../../common/wire/flows-api.ts'
import { hubErrorSchema } from '../../common/wire/hub-error.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import {
  GSTREAMER_OFFER,
  OBS_OFFER,
  PLAYER_OFFER,
  SAFARI_OFFER,
  SAFARI_PLAYER_OFFER,
  SAFARI_SIMULCAST_OFFER,
  SIMULCAST_OFFER,
} from '../support/offers.ts'
import { until } from '../support/until.ts'
import { publishByWhip, watchByWhep } from '../support/werift-doors.ts'

/** What the doors of WHIP and WHEP answer (RFC 9725), on a real hub; offers are those of real clients, no media flows. */

let hub: TestHub
let publisher: string
let other: string
let viewer: string
test.before(async () => {
  hub = await startHub([{ streamId: 'field' }, { streamId: 'closed', public: false }])
  publisher = await hub.issueToken({ role: 'publisher', subject: 'one' })
  other = await hub.issueToken({ role: 'publisher', subject: 'two' })
  viewer = await hub.issueToken({ role: 'viewer' })
})
test.after.always(() => hub?.[Symbol.asyncDispose]())

interface Asked {
  readonly token?: string | null
  readonly body?: string
  readonly headers?: Record<string, string>
}

async function ask(method: string, path: string, { token = publisher, body, headers = {} }: Asked = {}) {
  const response = await fetch(new URL(path, hub.url), {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/sdp' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}
type Answer = Awaited<ReturnType<typeof ask>>

/** A browser says so. */
const PAGE = { origin: 'https://player.example' }
const FRAGMENT = { 'content-type': 'application/trickle-ice-sdpfrag' }
const CANDIDATE =
  'm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 54321 typ host\r\n'
const RESTART = 'a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n'

function refused(t: ExecutionContext, answer: Answer, status: number, code: string) {
  t.is(answer.status, status, answer.text)
  const { error } = hubErrorSchema.parse(JSON.parse(answer.text))
  t.is(error.code, code)
  t.is(answer.headers.get('access-control-allow-origin'), '*')
  return error
}

const flows = async () =>
  z.object({ flows: z.array(flowSummarySchema) }).parse((await hub.api('GET', '/v1/flows')).body).flows
const viewers = async () =>
  z.object({ viewers: z.array(viewerSummarySchema) }).parse((await hub.api('GET', '/v1/viewers')).body)
    .viewers

test('POST makes a session by a contract; DELETE ends both, once', async (t) => {
  const made = await ask('POST', '/whip/made', { body: OBS_OFFER })
  t.is(made.status, 201, made.text)
  t.is(made.headers.get('content-type'), 'application/sdp')
  t.regex(made.headers.get('etag') ?? '', /^"\d+"$/)
  const location = made.headers.get('location') ?? ''
  t.regex(location, /^\/whip\/made\/[\w-]{32}$/)
  const answer = parse(made.text)
  t.deepEqual(
    answer.media.map(({ type, direction }) => `${type} ${direction}`),
    ['audio recvonly', 'video recvonly'],
  )
  t.true((answer.media[0]?.candidates?.length ?? 0) > 0)
  const contract = (await flows()).find(({ stream_id }) => stream_id === 'made')
  t.is(contract?.transport, 'webrtc')
  t.is(contract?.owner, 'user:one')

  // Another URL's guess, another's token and none find nothing.
  refused(t, await ask('DELETE', `/whip/made/${'x'.repeat(32)}`), 404, 'session_not_found')
  refused(t, await ask('DELETE', location, { token: other }), 404, 'session_not_found')
  refused(t, await ask('DELETE', location, { token: null }), 404, 'session_not_found')
  refused(t, await ask('DELETE', location.replace('/whip/', '/whep/')), 404, 'session_not_found')

  t.is((await ask('DELETE', location)).status, 200)
  refused(t, await ask('DELETE', location), 404, 'session_not_found')
  await until(async () => !(await flows()).some(({ stream_id }) => stream_id === 'made'), 'the contract ends')
})

test('a stream has one publisher, whoever comes', async (t) => {
  const first = await ask('POST', '/whip/taken', { body: GSTREAMER_OFFER })
  t.is(first.status, 201, first.text)
  refused(t, await ask('POST', '/whip/taken', { body: OBS_OFFER }), 409, 'stream_taken')
  refused(t, await ask('POST', '/whip/taken', { body: OBS_OFFER, token: other }), 409, 'stream_taken')
  // The first client's session is unharmed.
  t.is((await ask('DELETE', first.headers.get('location')!)).status, 200)
  const second = await until(async () => {
    const answer = await ask('POST', '/whip/taken', { body: OBS_OFFER, token: other })
    return answer.status === 409 ? null : answer
  }, 'the stream is free')
  t.is(second.status, 201, second.text)
})

test('a publisher with the same token takes over as soon as media has stopped, and hears when to ask again', async (t) => {
  const startedAt = performance.now()
  await using first = await publishByWhip(`${hub.url}/whip/killed`, publisher)
  const state = async () => {
    const { body } = await hub.api('GET', '/v1/streams/killed')
    return streamSummarySchema.parse(body).state
  }
  await until(async () => (await state()) === 'live', 'live')
  // Whoever has just come has 4 s to connect.
  await until(() => performance.now() - startedAt > 4000, 'the first one had its time', 5000)
  const held = await ask('POST', '/whip/killed', { body: OBS_OFFER })
  refused(t, held, 409, 'stream_taken')
  t.is(held.headers.get('retry-after'), '1')
  const rival = await ask('POST', '/whip/killed', { body: OBS_OFFER, token: other })
  refused(t, rival, 409, 'stream_taken')
  t.truthy(rival.headers.get('retry-after'))

  first.fallSilent()
  const silentAt = performance.now()
  const second = await until(
    async () => {
      const answer = await ask('POST', '/whip/killed', { body: OBS_OFFER })
      return answer.status === 409 ? null : answer
    },
    'the place',
    5000,
  )
  t.is(second.status, 201, second.text)
  const tookMs = performance.now() - silentAt
  t.log(`taken over ${Math.round(tookMs)} ms after the last packet`)
  t.true(tookMs < 2500, `${tookMs} ms`)
  // The first one's end comes late, and is not the second one's.
  t.is((await ask('DELETE', new URL(first.location).pathname)).status, 404)
  t.is((await ask('DELETE', second.headers.get('location')!)).status, 200)
})

test('clients whose ICE is older than consent go on, as GStreamer’s and ffmpeg’s', async (t) => {
  await using sender = await publishByWhip(`${hub.url}/whip/old-ice`, publisher)
  await using player = await watchByWhep(`${hub.url}/whep/old-ice`, viewer)
  await until(() => player.received.video > 10, 'media')
  for (const each of [sender, player]) each.neverCheckAgain()
  // Longer than consent may be missing: 10 s.
  await new Promise((resolve) => setTimeout(resolve, 14_000))
  const before = player.received.video
  await until(() => player.received.video > before + 50, 'media goes on', 5000)
  for (const [{ location }, token] of [
    [player, viewer],
    [sender, publisher],
  ] as const)
    t.is((await ask('DELETE', new URL(location).pathname, { token })).status, 200)
})

test('Safari is let in by its offers', async (t) => {
  const published = await ask('POST', '/whip/safari', { body: SAFARI_OFFER, headers: PAGE })
  t.is(published.status, 201, published.text)
  for (const streamId of ['safari', 'field']) {
    const watched = await ask('POST', `/whep/${streamId}`, {
      body: SAFARI_PLAYER_OFFER,
      token: viewer,
      headers: PAGE,
    })
    t.is(watched.status, 201, watched.text)
    const [pictures, sound] = parse(watched.text).media
    t.deepEqual([pictures?.payloads, sound?.payloads].map(String), ['98', '111'], 'its own payload types')
    t.is((await ask('DELETE', watched.headers.get('location')!, { token: viewer })).status, 200)
  }
  t.is((await ask('DELETE', published.headers.get('location')!)).status, 200)
  const layered = await ask('POST', '/whip/safari-layers', { body: SAFARI_SIMULCAST_OFFER, headers: PAGE })
  t.is(layered.status, 201, layered.text)
  t.regex(layered.text, /a=simulcast:recv q;h;f/)
})

test('an offer that can not be taken leaves no contract', async (t) => {
  const post = (body: string, more: Asked = {}) => ask('POST', '/whip/broken', { body, ...more })
  const { details } = refused(t, await post(OBS_OFFER.replace('a=mid:1\r\n', '')), 400, 'bad_sdp')
  t.deepEqual(details, ['media section 2 (video): a=mid is missing'])
  refused(t, await post(OBS_OFFER.replace('H264/90000', 'H265/90000')), 406, 'no_common_codec')
  refused(
    t,
    await post(OBS_OFFER, { headers: { 'content-type': 'application/json' } }),
    415,
    'unsupported_media_type',
  )
  refused(t, await post(`${OBS_OFFER}${'a=x\r\n'.repeat(20_000)}`), 413, 'body_too_large')
  const layers = SIMULCAST_OFFER.replace('VP8/90000', 'AV1/90000')
  refused(t, await post(layers), 415, 'layers_not_supported')
  refused(t, await ask('POST', '/whip/broken?class=gold', { body: OBS_OFFER }), 400, 'bad_request')
  t.false((await flows()).some(({ stream_id }) => stream_id === 'broken'))
})

test('the ACL decides who publishes and watches, as anywhere else', async (t) => {
  const none = await ask('POST', '/whip/mine', { body: OBS_OFFER, token: null })
  refused(t, none, 401, 'unauthenticated')
  t.regex(none.headers.get('www-authenticate') ?? '', /^Bearer /)
  refused(t, await ask('POST', '/whip/mine', { body: OBS_OFFER, token: 'nonsense' }), 401, 'token_invalid')
  const denied = refused(
    t,
    await ask('POST', '/whip/mine', { body: OBS_OFFER, token: viewer }),
    403,
    'acl_denied',
  )
  t.truthy(denied.rule)
  refused(t, await ask('POST', '/whep/closed', { body: PLAYER_OFFER, token: null }), 401, 'unauthenticated')
  refused(
    t,
    await ask('POST', '/whep/nothing', { body: PLAYER_OFFER, token: viewer }),
    404,
    'stream_not_found',
  )
  // What the configuration opens to everybody needs no token; a field stream's codecs are known before it sends.
  const open = await ask('POST', '/whep/field', { body: PLAYER_OFFER, token: null, headers: PAGE })
  t.is(open.status, 201, open.text)
  t.deepEqual(
    parse(open.text).media.map(({ payloads, direction }) => `${payloads} ${direction}`),
    ['109 sendonly', '42 sendonly'],
  )
})

test('PATCH: candidates by ETag, ICE restarts by *, and nothing by halves', async (t) => {
  const made = await ask('POST', '/whip/ice', { body: OBS_OFFER })
  const location = made.headers.get('location')!
  const etag = made.headers.get('etag')!
  const patch = (body: string, headers: Record<string, string> = {}) =>
    ask('PATCH', location, { body, headers: { ...FRAGMENT, ...headers } })
  refused(t, await patch(CANDIDATE), 428, 'precondition_required')
  const trickled = await patch(CANDIDATE, { 'if-match': etag })
  t.deepEqual([trickled.status, trickled.text], [204, ''])
  refused(t, await patch(CANDIDATE, { 'if-match': '"99"' }), 412, 'ice_session_mismatch')
  refused(t, await patch(RESTART, { 'if-match': etag }), 400, 'bad_sdp')
  refused(t, await patch('hello', { 'if-match': etag }), 400, 'bad_sdp')
  const wrongType = await patch(CANDIDATE, { 'if-match': etag, 'content-type': 'application/sdp' })
  refused(t, wrongType, 415, 'unsupported_media_type')

  const restarted = await patch(RESTART, { 'if-match': '*' })
  t.is(restarted.status, 200, restarted.text)
  t.is(restarted.headers.get('content-type'), 'application/trickle-ice-sdpfrag')
  const before = parse(made.text).media[0]!
  const ufrag = /a=ice-ufrag:(\S+)/.exec(restarted.text)?.[1]
  t.truthy(ufrag)
  t.not(ufrag, before.iceUfrag)
  t.regex(restarted.text, /^a=candidate:/m)
  t.notRegex(restarted.text, /^[vost]=/m)
  const now = restarted.headers.get('etag')!
  t.not(now, etag)
  refused(t, await patch(CANDIDATE, { 'if-match': etag }), 412, 'ice_session_mismatch')
  t.is((await patch(CANDIDATE, { 'if-match': now })).status, 204)
  t.is((await ask('DELETE', location)).status, 200)
  refused(t, await patch(CANDIDATE, { 'if-match': now }), 404, 'session_not_found')
})

test('methods and CORS', async (t) => {
  for (const path of ['/whip/cors', '/whep/field']) {
    // With the query of what will be asked.
    const preflight = await ask('OPTIONS', `${path}?class=focus&max_kbps=900`, { token: null })
    t.is(preflight.status, 204)
    t.is(preflight.headers.get('access-control-allow-origin'), '*')
    t.regex(preflight.headers.get('access-control-allow-methods') ?? '', /POST.*PATCH.*DELETE/)
    t.regex(
      preflight.headers.get('access-control-allow-headers') ?? '',
      /Authorization.*Content-Type.*If-Match/,
    )
    t.is(preflight.headers.get('accept-post'), 'application/sdp')
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await ask(method, path)
      t.is(answer.status, 405, `${method} ${path}`)
      t.is(answer.headers.get('allow'), 'OPTIONS, POST')
    }
    t.is(preflight.headers.get('allow'), 'OPTIONS, POST')
    const session = await ask('GET', `${path}/${'x'.repeat(32)}`)
    t.deepEqual([session.status, session.headers.get('allow')], [405, 'DELETE, OPTIONS, PATCH'])
  }
  const made = await ask('POST', '/whip/cors', { body: OBS_OFFER })
  const exposed = made.headers.get('access-control-expose-headers') ?? ''
  for (const name of ['Location', 'ETag', 'Link']) t.true(exposed.includes(name), name)
})

test('an address may end with a slash, and says nothing that is not known', async (t) => {
  const made = await ask('POST', '/whip/slash/?class=focus', { body: OBS_OFFER })
  t.is(made.status, 201, made.text)
  const location = made.headers.get('location') ?? ''
  t.regex(location, /^\/whip\/slash\/[\w-]{32}$/)
  const contract = (await flows()).find(({ stream_id }) => stream_id === 'slash')
  t.is(contract?.class, 'focus')
  const watched = await ask('POST', '/whep/field/', { body: PLAYER_OFFER, token: viewer, headers: PAGE })
  t.is(watched.status, 201, watched.text)
  for (const path of ['/whip/slash/', '/whep/field/', `${location}/`]) {
    const preflight = await ask('OPTIONS', path, { token: null })
    t.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, '*'])
  }
  for (const [method, path] of [
    ['POST', '/whip/slash?clas=focus'],
    ['POST', '/whip/slash/?clas=focus'],
    ['POST', '/whep/field?clas=focus'],
    ['PATCH', `${location}?clas=focus`],
    ['DELETE', `${location}?clas=focus`],
  ] as const) {
    const patch = { body: CANDIDATE, headers: { ...FRAGMENT, 'if-match': '*' } }
    const more = method === 'POST' ? { body: OBS_OFFER } : method === 'PATCH' ? patch : {}
    const { details } = refused(t, await ask(method, path, more), 400, 'bad_request')
    t.true(
      details.some((line) => line.startsWith('query: unknown: clas; ')),
      `${method} ${path}: ${details}`,
    )
  }
  t.is((await ask('DELETE', `${location}/`)).status, 200)
  for (const path of ['/whip/', '/whip', '/whip/slash//', '/whip/a/b/c'])
    refused(t, await ask('POST', path, { body: OBS_OFFER }), 404, 'not_found')
})

test('a ticket is as good as the token it was granted for, for its stream', async (t) => {
  const wanted = { stream_id: 'ticketed', class: 'director', preferred_transports: ['webrtc'] }
  const { join } = flowContractSchema.parse((await hub.api('POST', '/v1/publish', wanted, publisher)).body)
  refused(t, await ask('POST', '/whip/elsewhere', { body: OBS_OFFER, token: join.ticket }), 403, 'denied')
  const made = await ask('POST', join.whip_url!, { body: OBS_OFFER, token: join.ticket })
  t.is(made.status, 201, made.text)
  refused(t, await ask('POST', join.whip_url!, { body: OBS_OFFER, token: join.ticket }), 409, 'stream_taken')
  const location = made.headers.get('location')!
  refused(t, await ask('DELETE', location), 404, 'session_not_found')
  t.is((await ask('DELETE', location, { token: join.ticket })).status, 200)

  const subscribed = await hub.api('POST', '/v1/subscribe', { stream_id: 'field' }, viewer)
  const { join: watching, contract_id } = subscribeAnswerSchema.parse(subscribed.body)
  const { ticket, whep_url } = watching.webrtc
  t.is((await ask('POST', whep_url, { body: PLAYER_OFFER, token: ticket, headers: PAGE })).status, 201)
  t.true((await viewers()).some((each) => each.contract_id === contract_id && each.connected))
  const again = await ask('POST', whep_url, { body: PLAYER_OFFER, token: ticket, headers: PAGE })
  refused(t, again, 409, 'ticket_in_use')
})

test('a contract that ends takes its session along', async (t) => {
  const made = await ask('POST', '/whip/ends', { body: OBS_OFFER })
  const watched = await ask('POST', '/whep/ends', {
    body: PLAYER_OFFER.replace('a=extmap:1 ', 'a=extmap:7 '),
    token: viewer,
  })
  t.is(watched.status, 201, watched.text)
  const contract = (await flows()).find(({ stream_id }) => stream_id === 'ends')!
  const viewing = (await viewers()).find(({ stream_id }) => stream_id === 'ends')!
  t.true(viewing.connected)
  t.is((await hub.api('DELETE', `/v1/flows/${contract.contract_id}`)).status, 204)
  for (const [answer, token] of [
    [made, publisher],
    [watched, viewer],
  ] as const)
    refused(t, await ask('DELETE', answer.headers.get('location')!, { token }), 404, 'session_not_found')
  t.false((await viewers()).some(({ stream_id }) => stream_id === 'ends'))
})

test('a stream without media whose codecs nobody knows: come again', async (t) => {
  const wanted = { stream_id: 'later', class: 'director', preferred_transports: ['webrtc'] }
  t.is((await hub.api('POST', '/v1/publish', wanted, publisher)).status, 200)
  const answer = await ask('POST', '/whep/later', { body: PLAYER_OFFER, token: viewer })
  refused(t, answer, 409, 'stream_not_live')
  t.regex(answer.headers.get('retry-after') ?? '', /^\d+$/)
  // Who knows no SSRC but those of the answer can't wait for a stream with it.
  refused(t, await ask('POST', '/whep/field', { body: PLAYER_OFFER, token: viewer }), 409, 'stream_not_live')
})
