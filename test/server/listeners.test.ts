import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { Router } from 'express'
import { Doors } from '../../server/doors.ts'
import { Health } from '../../server/health.ts'
import { httpApp } from '../../server/http-app.ts'
import { httpServer, listen, takeUpgrades } from '../../server/listeners.ts'
import { ProtooGateway } from '../../signaling/protoo-gateway.ts'
import { Viewings } from '../../signaling/viewings.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { until } from '../support/until.ts'

const TIMES = { idleMs: 1000, readMs: 300, writeMs: 1000 }

test('a client that sends a request a byte at a time is cut off', async (t) => {
  await using stack = new AsyncDisposableStack()
  const server = httpServer(
    (request, response) => request.resume().once('end', () => response.end('ok')),
    TIMES,
    null,
  )
  const { port } = new URL(await listen(server, { host: '127.0.0.1', port: 0 }, stack))
  const slowly = async (start: string): Promise<string> => {
    const socket = connect(Number(port), '127.0.0.1').setEncoding('latin1')
    socket.on('error', () => {})
    socket.write(start)
    let text = ''
    // Input is read before an immediate: what is written after the answer would have the system throw the answer away.
    const drip = setInterval(() => setImmediate(() => text === '' && socket.write('x')), 50)
    socket.on('data', (chunk) => {
      text += chunk
    })
    // The end may be a reset, after the answer.
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(drip)
    return text
  }
  const [head, body] = await Promise.all([
    slowly('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '),
    slowly('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nX: y\r\n\r\n'),
  ])
  for (const answer of [head, body]) t.regex(answer, /^HTTP\/1\.1 408 /)
})

test('a client that does not close a connection whose upgrade was refused holds nothing', async (t) => {
  await using stack = new AsyncDisposableStack()
  const server = httpServer((_request, response) => response.end('ok'), TIMES, null)
  const door = {
    viewers: { admission: { admit: () => t.fail() } },
    viewings: new Viewings(),
    publishers: { admit: () => t.fail(), look: () => t.fail() },
    events: recordEvents().events,
    routerCapabilities: () => ({}),
    directAllowed: () => false,
  }
  using doors = new Doors()
  doors.add(new ProtooGateway({ maxConnections: 10, door, addressOf: () => null }))
  takeUpgrades(server, doors)
  const { port } = new URL(await listen(server, { host: '127.0.0.1', port: 0 }, stack))
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  for (const [path, headers, status] of [
    ['/elsewhere', '', 404],
    ['/protoo', '', 400],
    ['/protoo', key, 403],
  ] as const) {
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    stack.defer(() => void socket.destroy())
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`,
    )
    const [answer] = await once(socket, 'data')
    t.regex(String(answer), new RegExp(`^HTTP/1.1 ${status} `))
  }
  const open = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
  await until(async () => (await open()) === 0, 'the hub has closed them')
  t.pass()
})

test('only trusted proxies are believed about the caller', async (t) => {
  const api = Router().get('/v1/who', ({ ip, protocol }, response) => void response.json({ ip, protocol }))
  const ask = async (trustedProxies: readonly string[], forwarded: string) => {
    await using stack = new AsyncDisposableStack()
    const health = stack.use(
      new Health({
        draining: () => false,
        workersUp: () => 1,
        workersWanted: 1,
        workerCpu: () => 0,
        ports: () => ({ taken: 0, count: 1 }),
        portsUnavailable: () => 0,
        connections: () => 0,
        maxConnections: 1,
        storeFailure: () => null,
        descriptors: () => ({ open: 1, limit: 100 }),
        storeQueue: { waiting: 0, capacity: 1 },
      }),
    )
    const { events } = recordEvents()
    const app = httpApp({ api, health, events, trustedProxies, routerCapabilities: () => null })
    const url = await listen(httpServer(app, TIMES, null), { host: '127.0.0.1', port: 0 }, stack)
    const headers = { 'x-forwarded-for': forwarded, 'x-forwarded-proto': 'https' }
    return (await fetch(`${url}/v1/who`, { headers })).json()
  }
  t.deepEqual(await ask([], '203.0.113.9'), { ip: '127.0.0.1', protocol: 'http' })
  t.deepEqual(await ask(['10.0.0.0/8'], '203.0.113.9'), { ip: '127.0.0.1', protocol: 'http' })
  const proxied = { ip: '203.0.113.9', protocol: 'https' }
  t.deepEqual(await ask(['127.0.0.1'], '203.0.113.9'), proxied)
  // What a client claims beyond its own proxy's word is not taken.
  t.deepEqual(await ask(['127.0.0.0/8', '10.0.0.0/8'], '198.51.100.1, 203.0.113.9, 10.1.2.3'), proxied)
})
