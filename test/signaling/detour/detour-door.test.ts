import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { WebSocket } from 'ws'
import {
  type DetourAnswer,
  DetourMessageWriter,
  detourAnswerSchema,
  MAX_DETOUR_MESSAGE_BYTES,
  readDetourMessage,
} from '../../../common/wire/detour-frames.ts'
import { type OpenDoor, openDoor, TICKET } from '../../support/detour-bench.ts'
import { until } from '../../support/until.ts'

/** A UDP port in place of a stream's RIST port, which answers each datagram. */
async function openPort() {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const heard: string[] = []
  const sources = new Set<number>()
  socket.on('message', (datagram, { port, address }) => {
    heard.push(datagram.toString())
    sources.add(port)
    socket.send(`answer to ${datagram}`, port, address)
  })
  return {
    port: socket.address().port,
    heard,
    sources,
    [Symbol.dispose]: () => void socket.close(),
  }
}

/** A client that keeps what it hears. */
async function openClient(
  { url }: OpenDoor,
  hello: string | Buffer | null = JSON.stringify({ ticket: TICKET }),
) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/detour`)
  const answers: DetourAnswer[] = []
  const messages: NonNullable<ReturnType<typeof readDetourMessage>>[] = []
  let closed: number | null = null
  socket.on('message', (data, isBinary) => {
    if (isBinary) messages.push(readDetourMessage(data, 16)!)
    else answers.push(detourAnswerSchema.parse(JSON.parse(data.toString())))
  })
  socket.on('error', () => {})
  socket.on('close', (code) => {
    closed = code
  })
  await new Promise<void>((resolve) => socket.on('open', resolve))
  if (hello !== null) socket.send(hello)
  return {
    socket,
    answers,
    messages,
    get closed() {
      return closed
    },
    [Symbol.dispose]: () => socket.terminate(),
  }
}

function message(clock: number, ...entries: (readonly [link: number, text: string])[]): Buffer {
  const writer = new DetourMessageWriter()
  for (const [link, text] of entries) writer.add(link, Buffer.from(text))
  return writer.take(clock)
}

test('datagrams go to the port of their link, and answers come back with the clock of the last message', async (t) => {
  using first = await openPort()
  using second = await openPort()
  await using door = await openDoor({ ports: [first.port, second.port] })
  using client = await openClient(door)
  await until(() => client.answers.length === 1, 'the door opens')
  t.deepEqual(client.answers, [{ type: 'opened' }])
  client.socket.send(message(41, [0, 'one'], [1, 'two'], [0, 'three']))
  client.socket.send(message(42))
  await until(() => client.messages.at(-1)?.clock === 42, 'the last message is answered')
  await until(() => client.messages.flatMap(({ entries }) => entries).length === 3, 'all answers come')
  t.deepEqual(first.heard, ['one', 'three'])
  t.deepEqual(second.heard, ['two'])
  const answers = client.messages.flatMap(({ entries }) =>
    entries.map(({ link, datagram }) => `${link} ${Buffer.from(datagram)}`),
  )
  t.deepEqual(answers.toSorted(), ['0 answer to one', '0 answer to three', '1 answer to two'])
  t.deepEqual(door.door.inUse, { used: 1, anonymous: 0 })
})

test('a newer connection takes the place, and comes from ports of its own', async (t) => {
  using port = await openPort()
  await using door = await openDoor({ ports: [port.port] })
  using before = await openClient(door)
  await until(() => before.answers.length === 1, 'the first opens')
  before.socket.send(message(1, [0, 'before']))
  await until(() => port.heard.length === 1, 'it carries')
  using after = await openClient(door)
  await until(() => before.closed !== null, 'the first is closed')
  t.is(before.closed, 1001)
  after.socket.send(message(2, [0, 'after']))
  await until(() => port.heard.length === 2, 'the second carries')
  t.is(port.sources.size, 2)
  await until(() => door.door.connections === 1, 'one is left')
  t.not(door.holder, null)
})

const REFUSED: Readonly<Record<string, { hello: string | Buffer; reason: string }>> = {
  'no JSON': { hello: 'ticket', reason: 'malformed_message' },
  'no ticket': { hello: '{}', reason: 'malformed_message' },
  'a ticket that is no text': { hello: '{"ticket":{"length":20}}', reason: 'malformed_message' },
  'more than a ticket': {
    hello: JSON.stringify({ ticket: TICKET, port: 9500 }),
    reason: 'malformed_message',
  },
  'a foreign ticket': { hello: '{"ticket":"a ticket of somebody else"}', reason: 'unknown_ticket' },
  'datagrams before the ticket': { hello: message(1, [0, 'x']), reason: 'malformed_message' },
  'the ticket as a binary message': {
    hello: Buffer.from(JSON.stringify({ ticket: TICKET })),
    reason: 'malformed_message',
  },
}

for (const [name, { hello, reason }] of Object.entries(REFUSED))
  test(`refused at the door: ${name}`, async (t) => {
    using port = await openPort()
    await using door = await openDoor({ ports: [port.port] })
    using client = await openClient(door, hello)
    await until(() => client.closed !== null, 'it is closed')
    t.is(client.closed, 1008)
    t.like(client.answers, { 0: { type: 'refused', code: reason } })
    t.deepEqual(
      door.recorded.map(([event, , why]) => [event, why]),
      [['rejected', reason]],
    )
    await until(() => door.door.connections === 0, 'nothing is left of it')
    t.deepEqual(port.heard, [])
  })

const ENDED: Readonly<Record<string, { send: Buffer | string; code: number; reason: string }>> = {
  'a text': { send: 'text', code: 1008, reason: 'malformed_message' },
  'a link beyond the contract, which would be a foreign port': {
    send: message(1, [1, 'x']),
    code: 1008,
    reason: 'malformed_message',
  },
  garbage: { send: Buffer.alloc(1000, 0xa5), code: 1008, reason: 'malformed_message' },
  'an empty message': { send: Buffer.alloc(0), code: 1008, reason: 'malformed_message' },
  'a message longer than any': {
    send: Buffer.alloc(MAX_DETOUR_MESSAGE_BYTES + 1),
    code: 1009,
    reason: 'oversized_message',
  },
}

for (const [name, { send, code, reason }] of Object.entries(ENDED))
  test(`ends an open connection: ${name}`, async (t) => {
    using port = await openPort()
    await using door = await openDoor({ ports: [port.port] })
    using client = await openClient(door)
    await until(() => client.answers.length === 1, 'the door opens')
    client.socket.send(message(1, [0, 'good']))
    client.socket.send(send)
    await until(() => client.closed !== null, 'it is closed')
    t.is(client.closed, code)
    t.deepEqual(
      door.recorded.map(([event, , why]) => [event, why]),
      [['rejected', reason]],
    )
    await until(() => door.door.connections === 0 && door.holder === null, 'nothing is left of it')
    t.deepEqual(port.heard, ['good'])
  })

test('bytes that are no WebSocket end the connection, and nothing else', async (t) => {
  await using door = await openDoor({ ports: [9] })
  using client = await openClient(door)
  await until(() => client.answers.length === 1, 'the door opens')
  const raw = client.socket as unknown as { readonly _socket: { write(bytes: Buffer): void } }
  raw._socket.write(Buffer.alloc(64, 0xff))
  await until(() => client.closed !== null, 'it is closed')
  t.deepEqual(
    door.recorded.map(([event, , why]) => [event, why]),
    [['rejected', 'malformed_message']],
  )
})

test('silent strangers give way, and those with a ticket do not', async (t) => {
  await using door = await openDoor({ ports: [9], maxConnections: 2 })
  using member = await openClient(door)
  await until(() => member.answers.length === 1, 'the door opens')
  using stranger = await openClient(door, null)
  using next = await openClient(door, null)
  await until(() => stranger.closed !== null, 'the older stranger is turned out')
  t.is(member.closed, null)
  t.is(next.closed, null)
  t.true(door.door.turnOut())
  t.false(door.door.turnOut())
  await until(() => next.closed !== null, 'the newer stranger too')
})

test('a flood is read no faster than the contract allows', async (t) => {
  using port = await openPort()
  const kbps = 4000
  await using door = await openDoor({ ports: [port.port], kbps })
  using client = await openClient(door)
  await until(() => client.answers.length === 1, 'the door opens')
  const writer = new DetourMessageWriter()
  while (writer.add(0, Buffer.alloc(1400))) {}
  const flood = writer.take(1)
  for (let sent = 0; sent < 400; sent += 1) client.socket.send(flood)
  const startedAt = performance.now()
  await until(() => performance.now() - startedAt > 2000, 'two seconds')
  // A second's worth may come at once, and what one read of the socket brings is heard.
  const allowed = (kbps / 8) * 1.25 * (performance.now() - startedAt + 1000) + 128 * 1024
  t.true(door.counts.received > 500_000, String(door.counts.received))
  t.true(door.counts.received < allowed, `${door.counts.received} of ${allowed}`)
})

/** Floods whose bytes are few and whose work is not: what is sent, how often, and how much of it may be heard in 2 s. */
const SMALL_FLOODS: Readonly<
  Record<string, { send: (client: WebSocket) => void; times: number; each: number; most: number }>
> = {
  'messages without datagrams': {
    send: (client) => client.send(message(1)),
    times: 30_000,
    each: 1,
    most: 15_000,
  },
  'datagrams of one byte': {
    send: (client) => client.send(FULL_OF_SMALL),
    times: 20,
    each: 8000,
    most: 48_000,
  },
  pings: { send: (client) => client.ping('x'), times: 30_000, each: 1, most: 15_000 },
}
const FULL_OF_SMALL = (() => {
  const writer = new DetourMessageWriter()
  for (let count = 0; count < 8000; count += 1) writer.add(0, Buffer.of(1))
  return writer.take(1)
})()

for (const [name, { send, times, each, most }] of Object.entries(SMALL_FLOODS))
  test(`a flood of small things is read slowly: ${name}`, async (t) => {
    await using door = await openDoor({ ports: [9], kbps: 400 })
    using client = await openClient(door)
    await until(() => client.answers.length === 1, 'the door opens')
    let pongs = 0
    client.socket.on('pong', () => {
      pongs += 1
    })
    for (let sent = 0; sent < times; sent += 1) {
      send(client.socket)
      // The client reads, too: the hub ends a connection that takes no pongs.
      if (sent % 20 === 19) await new Promise(setImmediate)
    }
    const startedAt = performance.now()
    await until(() => performance.now() - startedAt > 2000, 'two seconds')
    const heard = name === 'pings' ? pongs : door.counts.received / (each === 1 ? 5 : 4)
    t.true(heard > 100, String(heard))
    t.true(heard < most, `${heard} of ${times * each}`)
    t.is(client.closed, null)
  })

for (const kind of ['ping', 'pong'] as const)
  test(`a stranger's ${kind} is no ticket`, async (t) => {
    await using door = await openDoor({ ports: [9] })
    using client = await openClient(door, null)
    client.socket[kind]('x')
    await until(() => client.closed !== null, 'it is closed')
    t.is(client.closed, 1008)
    t.like(client.answers, { 0: { type: 'refused', code: 'malformed_message' } })
  })

test('a sender that does not read costs bounded memory, and is still heard', async (t) => {
  using port = await openPort()
  await using door = await openDoor({ ports: [port.port], kbps: 100_000 })
  using client = await openClient(door)
  await until(() => client.answers.length === 1, 'the door opens')
  client.socket.pause()
  const big = 'x'.repeat(1400)
  let sent = 0
  await until(() => {
    for (let count = 0; count < 20; count += 1) client.socket.send(message(1, [0, big], [0, big], [0, big]))
    sent += 60
    return door.counts.dropped > 20
  }, 'answers are dropped')
  client.socket.send(message(2, [0, 'the last']))
  await until(() => port.heard.includes('the last'), 'it is still heard')
  t.true(sent > 0)
})

test('a contract that ends, or allows no detour any more, ends the connection and says why', async (t) => {
  await using door = await openDoor({ ports: [9] })
  using client = await openClient(door)
  await until(() => door.holder !== null, 'the door opens')
  door.holder!.contractEnded('revoked')
  await until(() => client.closed !== null, 'it is closed')
  t.is(client.closed, 1008)
  t.like(client.answers.at(-1), { type: 'refused', code: 'contract_ended' })
  await until(() => door.holder === null, 'the place is given back')
})

test('a connection that is cut leaves nothing', async (t) => {
  using port = await openPort()
  await using door = await openDoor({ ports: [port.port] })
  using client = await openClient(door)
  await until(() => client.answers.length === 1, 'the door opens')
  client.socket.send(message(1, [0, 'x']))
  await until(() => port.heard.length === 1, 'it carries')
  client.socket.terminate()
  await until(() => door.door.connections === 0 && door.holder === null, 'nothing is left')
  t.deepEqual(door.recorded, [])
})

test('a sender that says nothing more is let go, however its connection looks', async (t) => {
  t.timeout(30_000)
  await using door = await openDoor({ ports: [9] })
  using client = await openClient(door)
  await until(() => client.answers.length === 1, 'the door opens')
  const from = performance.now()
  await until(() => door.door.connections === 0 && door.holder === null, 'nothing is left', 15_000)
  t.true(performance.now() - from > 9000)
})

test('an upgrade that is given up half-way leaves nothing', async (t) => {
  await using door = await openDoor({ ports: [9] })
  const { port } = new URL(door.url)
  for (const end of [
    '',
    'GET /detour HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  ]) {
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(end)
    socket.on('error', () => {})
    socket.resume()
    socket.end()
    await once(socket, 'close')
  }
  t.is(door.door.connections, 0)
})
