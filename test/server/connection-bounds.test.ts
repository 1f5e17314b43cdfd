import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import test from 'ava'
import { ConnectionBounds, type ConnectionBoundsOptions } from '../../server/connection-bounds.ts'
import { Descriptors, reserveOf, runLow } from '../../server/descriptors.ts'
import { listen } from '../../server/listeners.ts'
import { until } from '../support/until.ts'

async function rig(options: Partial<ConnectionBoundsOptions> = {}) {
  const stack = new AsyncDisposableStack()
  const refused: string[] = []
  let [held, heads] = [0, 0]
  const server = createServer((request, response) => {
    heads += 1
    if (request.url === '/hold') held += 1
    else if (request.url === '/big') response.end(BIG)
    else if (request.method === 'POST') request.resume().once('end', () => response.end('ok'))
    else response.end('ok')
  })
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {}).on('end', () => socket.end())
    socket.resume().write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
  })
  const second = createServer((_request, response) => response.end('ok'))
  const bounds = new ConnectionBounds({
    perAddress: 10,
    trustedProxies: [],
    descriptors: { count: { open: 0, limit: 10_000 } },
    turnOut: () => false,
    refused: (reason) => refused.push(reason),
    ...options,
  })
  bounds.attach(server)
  bounds.attach(second)
  const { port } = new URL(await listen(server, { host: '0.0.0.0', port: 0 }, stack))
  const { port: secondPort } = new URL(await listen(second, { host: '127.0.0.1', port: 0 }, stack))
  const sockets = new Set<Socket>()
  stack.defer(() => {
    for (const socket of sockets) socket.destroy()
  })
  /** A connection from an address of loopback, over which this text was sent. */
  const open = async (localAddress: string, text = '', to: Partial<TcpNetConnectOpts> = {}) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress, ...to })
    socket.setEncoding('latin1')
    sockets.add(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    if (text !== '') socket.write(text)
    return socket
  }
  /** What the hub answers to a whole request; '' where the connection is closed instead. */
  const ask = async (localAddress: string): Promise<string> => {
    const socket = await open(localAddress, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    // Not by `once` of node:events: a connection that is refused may end by a reset.
    await new Promise((resolve) => socket.once('close', resolve))
    return text.split('\r\n', 1)[0]!
  }
  const toSecond = { port: Number(secondPort) }
  return {
    refused,
    open,
    ask,
    toSecond,
    heldRequests: () => held,
    heads: () => heads,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** More than the kernel takes of it at once. */
const BIG = Buffer.alloc(64 * 1024 * 1024)
const HALF_BODY = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'
const HALF = 'GET / HTTP/1.1\r\nHost: x\r\nX-Half: '
const OK = 'HTTP/1.1 200 OK'

test('an address has so many connections, and others have theirs', async (t) => {
  await using hub = await rig()
  const half = await Promise.all(Array.from({ length: 10 }, () => hub.open('127.0.0.1', HALF)))
  await until(async () => (await hub.ask('127.0.0.1')) === '', 'the address has all it may have')
  t.is(await hub.ask('127.0.0.2'), OK)
  t.true(hub.refused.length > 0 && hub.refused.every((reason) => reason === 'address_connections'))
  half[0]!.destroy()
  await until(async () => (await hub.ask('127.0.0.1')) === OK, 'the place that became free')
})

test('WebSockets and trusted proxies do not count', async (t) => {
  await using hub = await rig({ trustedProxies: ['127.0.0.3', '127.1.0.0/16'] })
  const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'
  for (let each = 0; each < 30; each += 1) {
    const socket = await hub.open('127.0.0.1', upgrade)
    const [answer] = await once(socket, 'data')
    t.regex(String(answer), /^HTTP\/1\.1 101/)
  }
  t.is(await hub.ask('127.0.0.1'), OK)
  for (const proxy of ['127.0.0.3', '127.1.2.3']) {
    await Promise.all(Array.from({ length: 30 }, () => hub.open(proxy, HALF)))
    t.is(await hub.ask(proxy), OK)
  }
  t.deepEqual(hub.refused, [])
})

test('an address has half of what there are descriptors for at most', async (t) => {
  const limit = 100
  const room = 40
  const descriptors = { count: { open: limit - reserveOf(limit) - room, limit } }
  await using hub = await rig({ perAddress: 1000, descriptors })
  await Promise.all(Array.from({ length: 60 }, () => hub.open('127.0.0.1', HALF)))
  await until(() => hub.refused.length >= 40, 'all beyond its half are refused')
  t.is(hub.refused.length, 40)
  t.is(await hub.ask('127.0.0.2'), OK)
})

test('without room the oldest connections give way that are not being answered', async (t) => {
  const limit = 100
  const descriptors = { count: { open: limit - reserveOf(limit) - 10, limit } }
  await using hub = await rig({ perAddress: 1000, descriptors })
  const held = await hub.open('127.0.0.9', 'GET /hold HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => hub.heldRequests() === 1, 'a request is being answered')
  const closed: number[] = []
  for (let each = 0; each < 30; each += 1) {
    const socket = await hub.open(`127.0.1.${each + 1}`, HALF)
    socket.once('close', () => closed.push(each))
    t.is(await hub.ask('127.0.0.2'), OK)
  }
  t.true(closed.length >= 15 && closed.length < 30, `${closed.length} gave way`)
  t.deepEqual(closed, [...closed.keys()])
  t.false(held.destroyed)
  t.deepEqual(hub.refused, [])
})

test('bodies that do not come and answers that nobody takes give way like heads that do not come', async (t) => {
  const limit = 100
  for (const [what, text] of [
    ['a body', HALF_BODY],
    ['an answer', 'GET /big HTTP/1.1\r\nHost: x\r\n\r\n'],
  ] as const) {
    const descriptors = { count: { open: limit - reserveOf(limit) - 10, limit } }
    await using hub = await rig({ perAddress: 1000, descriptors })
    const held = await hub.open('127.0.0.9', 'GET /hold HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => hub.heldRequests() === 1, 'a request is being answered')
    for (let each = 0; each < 20; each += 1) {
      const socket = await hub.open(`127.0.1.${each + 1}`, text)
      socket.pause()
      const seen = each
      await until(() => hub.heads() >= seen + 2 || hub.refused.length > 0, 'its head has come')
    }
    t.is(await hub.ask('127.0.0.2'), OK, what)
    t.false(held.destroyed)
    t.deepEqual(hub.refused, [], what)
  }
})

test('a body under way stays before older bodies that are not', async (t) => {
  const limit = 100
  const descriptors = { count: { open: limit - reserveOf(limit) - 10, limit } }
  await using hub = await rig({ perAddress: 1000, descriptors })
  const kept = await hub.open('127.0.0.2', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(kept, 'data')
  for (let each = 0; each < 9; each += 1) await hub.open(`127.0.1.${each + 1}`, HALF_BODY)
  await until(() => hub.heads() === 10, 'their heads have come')
  kept.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab')
  await until(() => hub.heads() === 11, 'its head has come')
  t.is(await hub.ask('127.0.0.3'), OK)
  const answered = once(kept, 'data')
  kept.write('cd')
  t.regex(String((await answered)[0]), /^HTTP\/1\.1 200/)
})

test('all listeners count together, and connections that differ in where they arrive are told apart', async (t) => {
  await using hub = await rig()
  for (let each = 0; each < 5; each += 1) {
    await hub.open('127.0.0.1', HALF)
    await hub.open('127.0.0.1', HALF, hub.toSecond)
  }
  t.is(await hub.ask('127.0.0.1'), '')
  t.deepEqual(hub.refused, ['address_connections'])
  // WebSockets do not count, and no port that is used twice makes two of one.
  const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'
  for (let each = 0; each < 5; each += 1) {
    const one = await hub.open('127.0.0.4', HALF)
    const to = { host: '127.0.0.8', localPort: one.localPort as number }
    const other = await hub.open('127.0.0.4', upgrade, to)
    await once(other, 'data')
    one.write('\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
    await once(one, 'data')
    one.end()
    await once(one, 'close')
  }
  for (let each = 0; each < 10; each += 1) await hub.open('127.0.0.4', HALF)
  t.is(await hub.ask('127.0.0.4'), '')
})

test('without room and with nothing that gives way, it is said', async (t) => {
  const descriptors = { count: { open: 95, limit: 100 } }
  let strangers = 1
  await using hub = await rig({ descriptors, turnOut: () => strangers-- > 0 })
  t.is(await hub.ask('127.0.0.1'), OK, 'a WebSocket without a ticket gave way')
  t.is(await hub.ask('127.0.0.1'), '')
  t.deepEqual(hub.refused, ['descriptors'])
})

test('descriptors run low before connections are refused for want of them', (t) => {
  for (const limit of [100, 200, 1024, 1_048_576]) {
    const refusing = limit - reserveOf(limit)
    t.true(runLow({ open: refusing - reserveOf(limit), limit }))
    t.false(runLow({ open: refusing - reserveOf(limit) - 1, limit }))
  }
  t.false(runLow({ open: 0, limit: Number.POSITIVE_INFINITY }))
})

test('descriptors of this process are counted', async (t) => {
  using descriptors = await Descriptors.open()
  const { open, limit } = descriptors.count
  t.true(open > 5 && limit > open, `${open} of ${limit}`)
  const sockets = await rig()
  const opened = await Promise.all(Array.from({ length: 9 }, () => sockets.open('127.0.0.1')))
  await descriptors.look()
  t.true(descriptors.count.open >= open + opened.length)
  await sockets[Symbol.asyncDispose]()
  using failing = await Descriptors.open(() => Promise.reject(new Error('EMFILE')))
  t.deepEqual(failing.count, { open: 0, limit: Number.POSITIVE_INFINITY })
})
