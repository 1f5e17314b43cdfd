import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { subscribeAnswerSchema, viewerSummarySchema } from '../../../common/wire/flows-api.ts'
import { hubErrorSchema } from '../../../common/wire/hub-error.ts'
import { type ApiAnswer, startHub, type TestHub } from '../../support/hub.ts'
import { PLAYER_OFFER } from '../../support/offers.ts'
import { until } from '../../support/until.ts'
import { joinWith } from './join-with.ts'

/** One client without a token asks for all that a tenant, or the hub, has; on a real hub, without media. */

/** Places of the tenant; 36 of them for those without a token. */
const PLACES = 40
/** Sessions and connections of the hub. */
const CONNECTIONS = 30

let hub: TestHub
let viewer: string
test.before(async () => {
  hub = await startHub([{ streamId: 'open' }], {
    workers: 1,
    args: ['--viewers-per-tenant', String(PLACES), '--max-conns', String(CONNECTIONS)],
  })
  viewer = await hub.issueToken({ role: 'viewer', subject: 'olga' })
})
test.after.always(() => hub?.[Symbol.asyncDispose]())

const subscribe = (token: string | null) =>
  hub.api('POST', '/v1/subscribe', { stream_id: 'open', tenant_id: 'default' }, token)
const placeOf = async (contractId: string) =>
  z
    .object({ viewers: z.array(viewerSummarySchema) })
    .parse((await hub.api('GET', '/v1/viewers')).body)
    .viewers.find(({ contract_id }) => contract_id === contractId)
const ticketOf = ({ body }: ApiAnswer) => subscribeAnswerSchema.parse(body).join.webrtc.ticket
const joined = async (t: ExecutionContext, token: string | null) => {
  const granted = await subscribe(token)
  t.is(granted.status, 200, JSON.stringify(granted.body))
  const viewing = await joinWith(hub.url, ticketOf(granted))
  t.true(viewing.answer.ok, viewing.answer.reason)
  return viewing
}

/** Joins by a WebSocket (RFC 6455) that is no more than its socket, which can go without a goodbye. */
async function rawJoin(ticket: string): Promise<Duplex> {
  const upgrading = request(new URL('/protoo', hub.url), {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      'sec-websocket-protocol': 'protoo',
    },
  })
  const upgraded = Promise.withResolvers<Duplex>()
  upgrading.on('upgrade', (_response, socket) => upgraded.resolve(socket))
  upgrading.on('error', upgraded.reject)
  upgrading.end()
  const socket = await upgraded.promise
  socket.on('error', () => {})
  socket.resume()
  const data = { ticket, rtp_capabilities: {} }
  const text = Buffer.from(JSON.stringify({ request: true, id: 1, method: 'join', data }))
  // One whole text, masked by nothing.
  const length = text.length < 126 ? [0x80 | text.length] : [0xfe, text.length >> 8, text.length & 0xff]
  socket.write(Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), text]))
  return socket
}

test.serial('places that nobody uses keep nobody out, with a token or without', async (t) => {
  using watching = await joined(t, null)
  const flood = await Promise.all(Array.from({ length: 5 * PLACES }, () => subscribe(null)))
  t.deepEqual([...new Set(flood.map(({ status }) => status))], [200], 'its own give way to what it asks for')
  using operator = await joined(t, viewer)
  using guest = await joined(t, null)
  // Nobody was told of an end who had a place in use.
  const ended = await Promise.race([watching.ended, operator.ended, guest.ended, subscribe(null)])
  t.true('status' in ended)
})

test.serial('sessions that never connect keep nobody out either', async (t) => {
  const offer = (token: string | null) =>
    fetch(new URL('/whep/open', hub.url), {
      method: 'POST',
      headers: {
        'content-type': 'application/sdp',
        origin: 'https://player.example',
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: PLAYER_OFFER,
    })
  for (let n = 0; n < 2 * CONNECTIONS; n++) {
    const answer = await offer(null)
    t.is(answer.status, 201, await answer.text())
  }
  t.is((await offer(viewer)).status, 201)
  using operator = await joined(t, viewer)
  t.true(operator.answer.ok)
})

test.serial(
  'places in use are bounded for those without a token, and given back with the WebSocket',
  async (t) => {
    const connections: Disposable[] = []
    // 27 of 30 connections.
    for (let n = 0; n < 27; n++) connections.push(await joined(t, null))
    const full = await subscribe(null)
    t.is(full.status, 503)
    t.is(hubErrorSchema.parse(full.body).error.resource, 'viewer_connections')
    using operator = await joined(t, viewer)
    t.true(operator.answer.ok)
    const places = async () =>
      ((await hub.api('GET', '/v1/viewers')).body as { viewers: readonly unknown[] }).viewers.length
    const before = await places()
    for (const connection of connections) connection[Symbol.dispose]()
    // Long before the 30 s that a place waits for a viewer that vanished.
    await until(async () => (await places()) <= before - 27, 'the places are given back', 5000)
    t.is((await subscribe(null)).status, 200)
  },
)

test.serial('a viewer that vanished keeps its place for a while, a viewer that left does not', async (t) => {
  const granted = async () => subscribeAnswerSchema.parse((await subscribe(viewer)).body)
  const [vanishing, leaving] = [await granted(), await granted()]
  const there = ({ contract_id }: { contract_id: string }) =>
    until(async () => (await placeOf(contract_id))?.connected === true, 'it has joined')
  const socket = await rawJoin(vanishing.join.webrtc.ticket)
  const viewing = await joinWith(hub.url, leaving.join.webrtc.ticket)
  await Promise.all([there(vanishing), there(leaving)])
  // As of a machine that lost its power, but for what its kernel says.
  socket.destroy()
  viewing[Symbol.dispose]()
  await until(async () => (await placeOf(vanishing.contract_id))?.connected === false, 'it is missed')
  await until(async () => (await placeOf(leaving.contract_id)) === undefined, 'its place is given back')
  t.like(await placeOf(vanishing.contract_id), { connected: false })
  using _back = await joinWith(hub.url, vanishing.join.webrtc.ticket)
  await there(vanishing)
})
