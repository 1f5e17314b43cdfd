import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Peer, WebSocketTransport } from 'protoo-client'
import { z } from 'zod'
import { createLogger } from '../../common/logger.ts'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { hubNotifications, joinAnswer, resumeAnswer } from '../../common/wire/viewer-protocol.ts'
import { restartIceAnswer } from '../../common/wire/web-rtc-shapes.ts'
import { loadConfig } from '../../server/config/config.ts'
import { type Hub, openHub } from '../../server/hub.ts'
import { askHub } from '../../signaling/client/hub-request.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'

/** What viewers may say at the WebSocket door, and what the hub does about everything else. */

const STREAM = 'cam-1'
const MAX_CONNECTIONS = 120

let hub: Hub

test.before(async () => {
  const [rtp, link] = await freeUdpPorts(2)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-protocol-'))
  const file = join(folder, 'hub.toml')
  const stream = [
    `stream_id = "${STREAM}"\nports = [${link}]\npassphrase = "a passphrase"`,
    'username = "field"\npassword = "a password"\npublic = true',
  ]
  await writeFile(file, `[[streams]]\n${stream.join('\n')}\n`)
  const command = loadConfig(
    [
      ...['--config', file, '--bind', '127.0.0.1:0', '--rtc-port', '0', '--workers', '1'],
      ...['--rtp-ports', `${rtp}-${rtp}`, '--max-conns', String(MAX_CONNECTIONS)],
    ],
    { AMNESIA: 'true' },
  )
  await rm(folder, { recursive: true })
  if (command.kind !== 'run') throw new Error('no configuration')
  hub = await openHub(command.config, {}, createLogger('silent'))
})

test.after.always(() => hub[Symbol.asyncDispose]())

interface Client extends Disposable {
  readonly peer: Peer
  readonly capabilities: object
  readonly ticket: string
}

const door = (): string => `${hub.url.replace(/^http/, 'ws')}/protoo`

/** The ticket of a new contract. The stream is open to everybody, but a token finds more room. */
async function newTicket(token: string | null): Promise<string> {
  const asked = { hubUrl: hub.url, path: '/v1/subscribe', token, body: { stream_id: STREAM } }
  return (await askHub(asked, subscribeAnswerSchema)).join.webrtc.ticket
}

async function client(token: string | null = null): Promise<Client> {
  const peer = new Peer(new WebSocketTransport(door(), { retry: { retries: 0 } }))
  const welcome = await new Promise<unknown>((resolve, reject) => {
    peer.on('notification', ({ method, data }) => {
      if (method === 'welcome') resolve(data)
    })
    peer.on('failed', () => reject(new Error('the hub did not take the connection')))
  })
  const { router_rtp_capabilities } = hubNotifications.welcome.parse(welcome)
  const ticket = await newTicket(token)
  return { peer, capabilities: router_rtp_capabilities, ticket, [Symbol.dispose]: () => peer.close() }
}

const askToJoin = ({ peer, capabilities, ticket }: Client) =>
  peer.request('join', { ticket, rtp_capabilities: capabilities })
const joined = async (viewer: Client) => joinAnswer.parse(await askToJoin(viewer))

const dtls = {
  role: 'client',
  fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }],
}

/** HTTP status that an upgrade is answered with. */
async function upgrade(path: string): Promise<number | undefined> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    'sec-websocket-protocol': 'protoo',
  }
  const asked = request(`${hub.url}${path}`, { headers }).end()
  return new Promise((resolve, reject) => {
    asked.on('response', (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode)
    })
    asked.on('error', reject)
  })
}

/** A WebSocket without protoo's manners. */
async function bare(): Promise<WebSocket> {
  const socket = new WebSocket(door(), 'protoo')
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  return socket
}

async function metric(series: string): Promise<number> {
  const text = await (await fetch(`${hub.metricsUrl}/metrics`)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  return line ? Number(line.slice(series.length + 1)) : 0
}

async function viewers(): Promise<number | undefined> {
  const list = z.object({ streams: z.array(z.object({ viewers: z.number() })) })
  return list.parse(await (await fetch(`${hub.url}/v1/streams`)).json()).streams[0]?.viewers
}

/** Transports of viewers that the workers hold. */
async function transports(): Promise<number> {
  const dumps = await Promise.all(hub.workers.slots.map(({ router }) => router.dump()))
  return dumps.reduce((sum, { transportIds }) => sum + transportIds.length, 0)
}

test.serial('the door is at one place only', async (t) => {
  t.is(await upgrade('/protoo'), 101)
  for (const path of ['/', '/protoo/', '/protoo/cam-1', '/v1/subscribe', '/%70rotoo'])
    t.is(await upgrade(path), 404, path)
})

test.serial('a ticket lets one connection in', async (t) => {
  using stranger = await client()
  using viewer = await client()
  const refused = async (wrong: Client, pattern: RegExp): Promise<void> => {
    t.regex(String(await t.throwsAsync(askToJoin(wrong))), pattern)
  }
  await refused({ ...stranger, ticket: 'x'.repeat(32) }, /unknown_ticket.*subscribe again/)
  await joined(viewer)
  await refused({ ...stranger, ticket: viewer.ticket }, /ticket_in_use/)
  await t.notThrowsAsync(joined(viewer))
  await t.notThrowsAsync(joined(stranger))
  t.is(await viewers(), 2)
  // A viewer that says goodbye gives the contract back; flood.test.ts has viewers that vanish.
  viewer.peer.close()
  await until(async () => (await viewers()) === 1, 'one is gone')
  await refused({ ...(await client()), ticket: viewer.ticket }, /unknown_ticket.*subscribe again/)
})

test.serial('requests in the wrong order or shape are answered with what is wrong', async (t) => {
  using viewer = await client()
  const refused = async (method: string, data: unknown, pattern: RegExp): Promise<void> => {
    const error = await t.throwsAsync(viewer.peer.request(method, data))
    t.regex(String(error), pattern, method)
  }
  await refused('connect-transport', { transport_id: 'none', dtls_parameters: dtls }, /unknown_transport/)
  await refused('request-keyframe', { consumer_id: 'none' }, /not_joined/)
  for (const method of ['dance', 'constructor', '__proto__', 'toString', ''])
    await refused(method, {}, /unknown_method.*allowed: join/)
  const wrong = [
    {},
    { rtp_capabilities: {} },
    { ticket: 'short', rtp_capabilities: {} },
    { ticket: viewer.ticket, rtp_capabilities: 7 },
    { ticket: viewer.ticket, rtp_capabilities: { codecs: 'all' } },
    { ticket: viewer.ticket, rtp_capabilities: {}, more: 1 },
  ]
  for (const data of wrong) await refused('join', data, /bad_request/)
  await refused('clock', { now: 1 }, /bad_request/)
  // Right for our schema, wrong for mediasoup: contained all the same.
  const odd = { codecs: [{ kind: 'video', mimeType: 'nonsense', clockRate: 1 }] }
  await askToJoin({ ...viewer, capabilities: odd }).catch(() => {})
  const { transport } = await joined(viewer)
  await refused('request-keyframe', { consumer_id: 'none' }, /unknown_consumer/)
  await refused('connect-transport', { transport_id: transport.id }, /bad_request/)
  const clock = z.object({ hub_unix_ms: z.number() }).parse(await viewer.peer.request('clock', {}))
  t.true(Math.abs(clock.hub_unix_ms - Date.now()) < 1000)
})

test.serial(
  'another connection takes a viewing over by its transport and ticket, and nothing else',
  async (t) => {
    using lost = await client()
    using next = await client()
    const { transport } = await joined(lost)
    const before = await transports()
    const resume = (id: string, { ticket }: Client, restart?: string) =>
      next.peer.request('resume', { transport_id: id, ticket, ...(restart && { restart }) })
    const refused = async (asked: Promise<unknown>, message: RegExp): Promise<void> => {
      await t.throwsAsync(asked, { message })
    }
    await refused(resume('none', lost), /unknown_transport/)
    await refused(resume(transport.id, next), /unknown_transport/)
    await refused(resume(transport.id, lost, 'boredom'), /bad_request/)
    const gone = new Promise((resolve) => lost.peer.on('close', () => resolve(null)))
    const answer = resumeAnswer.parse(await resume(transport.id, lost, 'network'))
    await gone
    t.is(answer.streams.length, 1)
    t.not(answer.restarted?.ice_parameters['usernameFragment'], transport.ice_parameters['usernameFragment'])
    t.is(await transports(), before, 'no other transport was made')
    t.is(await metric('ice_restarts_total{by="client",of="viewer"}'), 1)
    await refused(resume(transport.id, lost), /already_joined/)
    // The viewing is that of the next connection now.
    const restarted = await next.peer.request('restart-ice', { transport_id: transport.id, reason: 'hub' })
    t.truthy(restartIceAnswer.parse(restarted).ice_parameters['password'])
    await refused(
      next.peer.request('restart-ice', { transport_id: 'none', reason: 'silence' }),
      /unknown_transport/,
    )
    t.is(await metric('ice_restarts_total{by="hub",of="viewer"}'), 1)
    next.peer.close()
    await until(async () => (await transports()) === before - 1, 'the transport is gone with its viewer')
  },
)

test.serial('of two joins at once both are answered and the second one counts', async (t) => {
  using viewer = await client()
  const before = await transports()
  const [first, second] = await Promise.all([joined(viewer), joined(viewer)])
  t.not(first.transport.id, second.transport.id)
  t.is(await transports(), before + 1)
  const connectTo = (id: string) =>
    viewer.peer.request('connect-transport', { transport_id: id, dtls_parameters: dtls })
  await t.throwsAsync(connectTo(first.transport.id), { message: /unknown_transport/ })
  await t.notThrowsAsync(connectTo(second.transport.id))
})

test.serial('messages that are not protoo are ignored and counted, whatever they are', async (t) => {
  using neighbour = await client()
  const series = 'rejected_total{reason="malformed_message"}'
  const before = await metric(series)
  const socket = await bare()
  const nonsense = [
    ...['null', 'true', '7', '"text"', '[]', '{}', 'not json', '', '{"request":true}'],
    ...['{"request":true,"id":"1","method":"join"}', '{"notification":true,"method":7}', '[null]', ' null '],
    `${'['.repeat(30_000)}`,
  ]
  for (const text of nonsense) socket.send(text)
  socket.send(new Uint8Array([0, 1, 2, 255]))
  // These are messages, though they lead nowhere.
  socket.send('{"response":true,"id":1}')
  socket.send('{"request":true,"id":1,"method":"join","data":null}')
  await t.notThrowsAsync(neighbour.peer.request('clock', {}))
  await until(async () => (await metric(series)) === before + nonsense.length + 1, 'each is counted')
  t.is(socket.readyState, WebSocket.OPEN)
  socket.close()
})

test.serial('a client that sends nothing but nonsense is cut off', async (t) => {
  using neighbour = await client()
  const [malformed, floods] = ['malformed_message', 'flood'].map(
    (reason) => `rejected_total{reason="${reason}"}`,
  )
  const before = await Promise.all([metric(malformed!), metric(floods!)])
  const socket = await bare()
  const cutOff = once(socket, 'close')
  for (let sent = 0; sent < 500; sent++) socket.send('nonsense')
  await cutOff
  t.is(await metric(floods!), before[1]! + 1)
  const counted = (await metric(malformed!)) - before[0]!
  t.true(counted > 60 && counted < 500, String(counted))
  await t.notThrowsAsync(neighbour.peer.request('clock', {}))
})

test.serial('unknown notifications are counted, and reports out of range too', async (t) => {
  using viewer = await client()
  const series = 'rejected_total{reason="bad_message"}'
  const before = await metric(series)
  await viewer.peer.notify('gossip', {})
  await viewer.peer.notify('report', { loss: 2 })
  await viewer.peer.notify('report', null)
  await until(async () => (await metric(series)) === before + 3, 'three bad messages counted')
  t.pass()
})

test.serial('a message of more than 64 KiB ends its connection and no other', async (t) => {
  using neighbour = await client()
  const series = 'rejected_total{reason="oversized_message"}'
  const before = await metric(series)
  const socket = await bare()
  const closed = once(socket, 'close')
  socket.send(JSON.stringify({ request: true, id: 1, method: 'clock', data: { filler: 'x'.repeat(66_000) } }))
  const [event] = await closed
  t.is(event.code, 1009)
  t.is(await metric(series), before + 1)
  // The client's own complaint that our message was too large is another matter.
  const complaining = await handshake()
  const over = once(complaining, 'close')
  complaining.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 1009 >> 8, 1009 & 255]))
  await over
  t.is(await metric(series), before + 1)
  await t.notThrowsAsync(neighbour.peer.request('clock', {}))
})

test.serial('who floods is cut off and counted; a busy page is not', async (t) => {
  using page = await client()
  const flooder = await bare()
  const cutOff = once(flooder, 'close')
  await Promise.all(Array.from({ length: 30 }, () => page.peer.request('clock', {})))
  for (let id = 0; id < 500; id++)
    flooder.send(JSON.stringify({ request: true, id, method: 'clock', data: {} }))
  await cutOff
  t.true((await metric('rejected_total{reason="flood"}')) >= 1)
  await t.notThrowsAsync(page.peer.request('clock', {}))
})

test.serial('a hundred viewers that join and leave, politely or not, leave nothing behind', async (t) => {
  await until(async () => (await transports()) === 0, 'nothing left of the tests before')
  for (let round = 0; round < 4; round++) {
    const clients = await Promise.all(Array.from({ length: 25 }, () => client()))
    const answers = await Promise.all(clients.map(joined))
    t.is(new Set(answers.map(({ transport }) => transport.id)).size, 25)
    t.is(await transports(), 25)
    // Half of them leave while another join is under way.
    for (const viewer of clients.slice(12)) askToJoin(viewer).catch(() => {})
    // Sent, that is: a request that protoo-client takes up after its own end would wait for half a minute.
    await new Promise(setImmediate)
    for (const viewer of clients) viewer.peer.close()
    await until(async () => (await transports()) === 0, 'no transport is left')
  }
  await until(async () => (await metric('overlay_sessions_active')) === 0, 'no session is left')
  t.is(await viewers(), 0)
})

test.serial('connections that vanish without a word are gone at once', async (t) => {
  const sockets: Socket[] = []
  for (let count = 0; count < 10; count++) sockets.push(await handshake())
  await until(async () => (await metric('overlay_sessions_active')) === 10, 'ten sessions')
  for (const socket of sockets) socket.resetAndDestroy()
  await until(async () => (await metric('overlay_sessions_active')) === 0, 'no session')
  t.is(await viewers(), 0)
})

test.serial(
  'more viewers than allowed are told to come later, and who has no ticket gives way',
  async (t) => {
    const silent: Socket[] = []
    while (silent.length < MAX_CONNECTIONS) silent.push(await handshake())
    const clients: Client[] = []
    const { token } = hub.firstAdminToken!
    while (clients.length < MAX_CONNECTIONS) {
      const viewer = await client(token)
      clients.push(viewer)
      await joined(viewer)
    }
    t.true(silent.every(({ destroyed, readableEnded }) => destroyed || readableEnded))
    t.is(await metric('rejected_total{reason="max_connections"}'), 0)
    t.is(await upgrade('/protoo'), 503)
    t.is(await metric('rejected_total{reason="max_connections"}'), 1)
    for (const viewer of clients) viewer[Symbol.dispose]()
    await until(async () => (await metric('overlay_sessions_active')) === 0, 'no session')
    t.is(await upgrade('/protoo'), 101)
  },
)

/** An open WebSocket, as the TCP connection under it. */
async function handshake(): Promise<Socket> {
  const { port, host } = new URL(hub.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    [
      'GET /protoo HTTP/1.1',
      `Host: ${host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
      'Sec-WebSocket-Protocol: protoo',
      '',
      '',
    ].join('\r\n'),
  )
  const [answer] = await once(socket, 'data')
  if (!String(answer).startsWith('HTTP/1.1 101')) throw new Error(String(answer))
  return socket
}
