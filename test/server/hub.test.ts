import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { knock } from '../support/knock.ts'
import { descendants, programOf } from '../support/processes.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { joinWith } from './flows/join-with.ts'

/** Longer than a worker may be silent before the hub says that it does not answer. */
const WORKER_DOUBTED_MS = 1500

test('a hub serves health, readiness, metrics and clear errors', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }])
  const get = async (path: string) => {
    const response = await fetch(hub.url + path)
    return { status: response.status, text: await response.text() }
  }
  t.deepEqual(JSON.parse((await get('/healthz')).text), { status: 'ok' })
  // On a busy machine the event loop may be late for a moment, which makes the hub not ready.
  await until(async () => (await get('/readyz')).status === 200, 'the hub is ready')
  const authorization = `Bearer ${hub.adminToken}`
  for (const text of [
    await (await fetch(`${hub.metricsUrl}/metrics`)).text(),
    await (await fetch(`${hub.url}/metrics`, { headers: { authorization } })).text(),
  ])
    for (const name of [
      'overlay_sessions_active',
      'service_restarts_total',
      'errors_total',
      'rejected_total',
      'bus_queue_depth',
    ])
      t.true(text.includes(`# TYPE ${name} `), name)
  t.is((await get('/metrics')).status, 401)
  t.like(JSON.parse((await get('/v1/streams')).text).streams[0], { stream_id: 'cam-1', state: 'waiting' })
  const missing = await get('/nothing/here')
  t.is(missing.status, 404)
  t.is(JSON.parse(missing.text).error.code, 'not_found')
  t.is((await get('/watch/%2e%2e%2fetc')).status, 400)
  t.is((await get('/watch/%E0%A4%A')).status, 400)
})

test('an upgrade that is not ours is refused and the hub goes on', async (t) => {
  await using hub = await startHub([])
  const { port } = new URL(hub.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write('GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const [answer] = await once(socket.setEncoding('utf8'), 'data')
  t.regex(answer, /^HTTP\/1\.1 404/)
  t.is((await fetch(`${hub.url}/healthz`)).status, 200)
})

test('clients that ask for an upgrade and are gone before the answer harm nobody', async (t) => {
  await using hub = await startHub([])
  const { port } = new URL(hub.url)
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
  for (const path of ['/other', '/protoo'])
    for (const protocol of ['other', 'protoo'])
      for (let count = 0; count < 25; count++) {
        const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
        await once(socket, 'connect')
        const asks = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}`
        socket.write(`${asks}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`)
        socket.resetAndDestroy()
      }
  t.is((await fetch(`${hub.url}/healthz`)).status, 200)
  t.is(hub.process.exitCode, null)
  await until(async () => (await hub.metric('overlay_sessions_active')) === 0, 'nothing is left of them')
})

test('SIGTERM ends it with 0 within 5 s and leaves no child', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }, { streamId: 'cam-2' }])
  await knockAll(hub)
  await until(() => descendants(hub.pid).length >= 4, 'two workers and two ingress processes')
  const children = descendants(hub.pid)
  const { code, ms } = await hub.stop()
  t.is(code, 0)
  t.true(ms < 5000, `${ms} ms`)
  await until(() => children.every((pid) => !alive(pid)), 'children are gone')
})

test('SIGTERM ends it in time with a media worker that hangs, too', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }])
  const children = descendants(hub.pid)
  const worker = children.find((pid) => programOf(pid).includes('mediasoup-worker'))!
  process.kill(worker, 'SIGSTOP')
  const { code, ms } = await hub.stop()
  t.is(code, 0)
  t.true(ms < 5000, `${ms} ms`)
  await until(() => children.every((pid) => !alive(pid)), 'children are gone')
})

test('the hub is unready before it is full, says why, and recovers', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }], { workers: 1, args: ['--max-conns', '10'] })
  const readyz = async () => {
    const response = await fetch(`${hub.url}/readyz`)
    return { status: response.status, ...((await response.json()) as { degraded: string[] }) }
  }
  const subscribe = () => hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1' })
  const connect = async () =>
    joinWith(hub.url, subscribeAnswerSchema.parse((await subscribe()).body).join.webrtc.ticket)
  const sockets = await Promise.all(Array.from({ length: 9 }, connect))
  const full = await readyz()
  t.is(full.status, 503)
  t.true(full.degraded.includes('connections: 9 of 10 are taken'), String(full.degraded))
  t.is((await subscribe()).status, 200)
  sockets.push(await connect())
  t.like(await subscribe(), {
    status: 503,
    body: { error: { code: 'saturated', resource: 'viewer_connections' } },
  })
  for (const socket of sockets) socket[Symbol.dispose]()
  await until(async () => (await readyz()).status === 200, 'there is room again')
  t.is((await subscribe()).status, 200)

  // A dead worker: one of the hub's children is it.
  const [worker] = descendants(hub.pid).filter((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('mediasoup-worker'),
  )
  process.kill(worker!, 'SIGKILL')
  await until(async () => {
    const { body } = await hub.api('GET', '/v1/alarms')
    return JSON.stringify(body).includes(
      '"kind":"service_restarting","tenant_id":null,"subject":"service:worker-0"',
    )
  }, 'the alarm of the worker')
  await until(async () => (await readyz()).status === 200, 'the worker is back')
})

test('ports of other programs are not granted; where a stream must have one, the hub says so until it does', async (t) => {
  const port = await freeUdpRange(21)
  const other = createSocket('udp4').bind(port, '127.0.0.1')
  await once(other, 'listening')
  await using hub = await startHub([{ streamId: 'cam-1', ports: [port] }], {
    workers: 1,
    args: ['--rist-ports', `${port}-${port + 20}`],
  })
  const readyz = async () => JSON.stringify(await (await fetch(`${hub.url}/readyz`)).json())
  const alarms = async () => JSON.stringify((await hub.api('GET', '/v1/alarms')).body)
  await until(async () => (await alarms()).includes('"kind":"port_unavailable"'), 'the alarm')
  t.regex(
    await alarms(),
    new RegExp(`"subject":"stream:cam-1","message":"UDP port ${port} .*another program`),
  )
  t.regex(await readyz(), /other programs have ports of 1 streams/)
  t.is(await hub.metric('errors_total{stage="ingress",kind="rist_port_unavailable"}'), 1)
  const granted = await hub.api('POST', '/v1/publish', { stream_id: 'cam-2', class: 'focus' })
  t.is(granted.status, 200)
  t.false(JSON.stringify(granted.body).includes(`"port":${port},`))
  other.close()
  await until(async () => !(await readyz()).includes('other programs'), 'the hub has the port')
  await until(async () => !(await alarms()).includes('port_unavailable'), 'the alarm is cleared')
  t.true(hub.log.some(({ msg }) => msg === "the stream's ports are there again"))
})

test('a hub that is drained takes nothing new and keeps what runs', async (t) => {
  await using hub = await startHub([], { workers: 1, args: ['--drain-ms', '60000'] })
  const publish = (stream_id: string) => hub.api('POST', '/v1/publish', { stream_id, class: 'focus' })
  const drain = (draining: boolean) => hub.api('POST', '/v1/hub/drain', { draining })
  const { contract_id } = (await publish('cam-1')).body as { contract_id: string }
  t.like(await drain(true), { status: 200, body: { draining: true, publishers: 1, viewers: 0 } })
  t.is((await fetch(`${hub.url}/readyz`)).status, 503)
  const refused = await publish('cam-2')
  t.like(refused, { status: 503, body: { error: { code: 'saturated', resource: 'node_draining' } } })
  t.is(refused.headers.get('retry-after'), '10')
  t.is((await hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1' })).status, 503)
  t.is((await hub.api('POST', `/v1/flows/${contract_id}/renew`)).status, 200)
  t.is((await drain(false)).status, 200)
  await until(async () => (await fetch(`${hub.url}/readyz`)).status === 200, 'it is ready again')
  t.is((await hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1' })).status, 200)

  // SIGTERM drains as well, and ends the hub as soon as nothing runs any more. A terminal and a service manager signal
  // the whole group: media goes on all the same.
  const children = descendants(hub.pid)
  t.true(children.length > 0)
  const stopped = hub.stop()
  for (const pid of children) process.kill(pid, 'SIGTERM')
  await until(async () => (await fetch(`${hub.url}/readyz`)).status === 503, 'it drains')
  await setTimeout(WORKER_DOUBTED_MS)
  t.deepEqual(descendants(hub.pid), children)
  const { degraded } = (await (await fetch(`${hub.url}/readyz`)).json()) as { degraded: string[] }
  t.true(degraded.includes('draining: nothing new is taken'))
  t.deepEqual(
    degraded.filter((why) => why.startsWith('workers')),
    [],
  )
  t.is((await publish('cam-2')).status, 503)
  t.is((await hub.api('POST', `/v1/flows/${contract_id}/renew`)).status, 200)
  t.is((await hub.api('DELETE', `/v1/flows/${contract_id}`)).status, 204)
  t.is((await stopped).code, 0)
})

test('kill -9 of the hub leaves no child either', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }])
  await knockAll(hub)
  await until(() => descendants(hub.pid).length >= 3, 'two workers and an ingress process')
  const children = descendants(hub.pid)
  hub.process.kill('SIGKILL')
  await until(() => children.every((pid) => !alive(pid)), 'children are gone')
  t.pass()
})

test('a hub ends with the program that forked it', async (t) => {
  await using hub = await startHub([])
  const gone = once(hub.process, 'exit')
  hub.process.disconnect()
  t.deepEqual(await gone, [0, null])
})

test('secrets are in no argument, no environment and no log line', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }], { logLevel: 'trace' })
  const { passphrase, password } = hub.streams.get('cam-1')!
  const secrets = [passphrase, password, hub.adminToken]
  await knockAll(hub)
  await until(() => descendants(hub.pid).length >= 3, 'two workers and an ingress process')
  await until(() => hub.log.some(({ librist }) => librist === true), "the ingress's log lines")
  for (const pid of [hub.pid, ...descendants(hub.pid)])
    for (const what of ['cmdline', 'environ']) {
      const text = readFileSync(`/proc/${pid}/${what}`, 'latin1')
      t.false(
        secrets.some((secret) => text.includes(secret)),
        `${what} of ${pid}`,
      )
    }
  const log = JSON.stringify(hub.log)
  t.false(secrets.some((secret) => log.includes(secret)))
})

test('a taken port is said in a line and leaves nothing behind', async (t) => {
  await using hub = await startHub([])
  const error = await t.throwsAsync(startHub([], { bind: new URL(hub.url).host }))
  t.regex(error.message, /can't listen on 127\.0\.0\.1:\d+/)
  const other = createSocket('udp4').bind(0, '127.0.0.1')
  await once(other, 'listening')
  const media = await t.throwsAsync(startHub([], { workers: 1, rtcPort: other.address().port }))
  t.regex(media.message, /can't listen on 127\.0\.0\.1:\d+ for media/)
  t.regex(media.message, /RTC_PORT/)
  other.close()
})

/** A sender for each stream, as far as the hub can know: their ingress processes start. */
const knockAll = (hub: TestHub) => knock([...hub.streams.values()].flatMap(({ ports }) => ports))

function alive(pid: number): boolean {
  try {
    // A zombie still answers to signal 0.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

test("webhooks don't reach loopback because the hub listens there", async (t) => {
  await using hub = await startHub([])
  const url = `http://127.0.0.1:${new URL(hub.url).port}/hook`
  const refused = await hub.api('POST', '/v1/webhooks', { url, events: ['*'] })
  t.is(refused.status, 400)
  t.regex(JSON.stringify(refused.body), /"code":"webhook_url"/)
  await using opened = await startHub([], { env: { WEBHOOK_NETWORKS: '127.0.0.1' } })
  t.is((await opened.api('POST', '/v1/webhooks', { url, events: ['*'] })).status, 201)
})

test('hundreds of half-sent requests of one address leave the hub to others, and are spoken of', async (t) => {
  const limit = 200
  await using hub = await startHub([{ streamId: 'cam-1' }], { workers: 1 })
  const { port } = new URL(hub.url)
  const setLimit = (descriptors: number) =>
    execFileSync('prlimit', ['--pid', String(hub.pid), `--nofile=${descriptors}:`])
  const ask = (localAddress: string, path: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path, localAddress, agent: false, timeout: 1000 }
      const asking = request(options, async (response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode ?? 0, text })
      })
      asking.on('timeout', () => asking.destroy(new Error('no answer within a second')))
      asking.on('error', reject).end()
    })
  setLimit(limit)
  // The hub looks at its limit once a second.
  await setTimeout(1500)
  using stack = new DisposableStack()
  const half = Array.from({ length: 300 }, () => {
    const socket = connect(Number(port), '127.0.0.1')
      .on('error', () => {})
      .resume()
    stack.defer(() => socket.destroy())
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Half: ')
    return socket
  })
  const end = performance.now() + 3000
  for (let asked = 0; performance.now() < end; asked += 1)
    t.is((await ask('127.0.0.2', '/healthz')).status, 200, `request ${asked}`)
  t.true(hub.log.some(({ reason }) => reason === 'address_connections'))
  // Their heads did not come in time: the address, which is that of the test's own questions too, is let in again.
  await until(() => half.every((socket) => socket.destroyed), 'all half-sent requests are cut off')
  // The hub may learn a moment later than its clients that their connections are over.
  const letIn = () =>
    ask('127.0.0.1', '/healthz').then(
      ({ status }) => status === 200,
      () => false,
    )
  await until(letIn, 'the address is let in again')
  t.true((await hub.metric('rejected_total{reason="address_connections"}')) >= 100)

  setLimit(readdirSync(`/proc/${hub.pid}/fd`).length + 50)
  const says = () => ask('127.0.0.2', '/readyz').then(({ text }) => text.includes('descriptors: '))
  await until(says, 'it is said')
  t.is((await ask('127.0.0.2', '/readyz')).status, 503)
  setLimit(1000)
  await until(async () => !(await says()), 'it is over')
})
