import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { nodeEntrySchema } from '../../../common/wire/topology.ts'
import { ProbedRelay } from '../../../server/relays/probed-relay.ts'
import { probeStun } from '../../../server/relays/stun-probe.ts'
import { Topology } from '../../../server/topology/graph.ts'
import { until } from '../../support/until.ts'

/** Turns a Binding request into a success (RFC 8489). */
const answered = (request: Buffer) => {
  const answer = Buffer.from(request)
  answer.writeUInt16BE(0x0101, 0)
  return answer
}

async function stunServer(t: ExecutionContext, answer: (request: Buffer) => Buffer | null = answered) {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  socket.on('message', (request, { port, address }) => {
    const message = answer(request)
    if (message) socket.send(message, port, address)
  })
  return socket.address().port
}

function probe(t: ExecutionContext, url: string, topology = new Topology()) {
  const relay = new ProbedRelay({
    nodeId: 'eu-1',
    urls: [url],
    secret: 'a secret of sixteen',
    region: 'eu',
    topology,
    everyMs: 30,
  })
  t.teardown(() => relay[Symbol.dispose]())
  return { relay, topology }
}

test('a relay that answers is up, and its delay is known', async (t) => {
  const port = await stunServer(t)
  const { relay, topology } = probe(t, `turn:127.0.0.1:${port}?transport=udp`)
  t.regex(relay.facts.down ?? '', /no sign of life/)
  await until(() => relay.facts.down === null, 'the relay is up')
  t.like(relay.facts, { nodeId: 'eu-1', region: 'eu', tenantId: null, load: null, loss: 0 })
  t.true(relay.facts.rttMs! > 0 && relay.facts.rttMs! < 1000)
  t.like(topology.record(null, 'eu-1'), { up: true, entry: { role: 'relay', region: 'eu' } })
})

test('a relay that falls silent is offered no more after 10 s', async (t) => {
  let silent = false
  const port = await stunServer(t, (request) => (silent ? null : answered(request)))
  const { relay, topology } = probe(t, `turn:127.0.0.1:${port}?transport=udp`)
  await until(() => relay.facts.down === null, 'the relay is up')
  silent = true
  const { lastSeen } = topology.record(null, 'eu-1')!
  topology.sweep(lastSeen! + 9_000)
  t.is(relay.facts.down, null)
  topology.sweep(lastSeen! + 15_000)
  t.regex(relay.facts.down ?? '', /no sign of life for \d+ s/)
  silent = false
  await until(() => relay.facts.down === null, 'the relay is up again')
})

test('what is no answer is no sign of life', async (t) => {
  const answers: [string, (request: Buffer) => Buffer][] = [
    ['an error', (request) => Buffer.concat([Buffer.from([0x01, 0x11]), request.subarray(2)])],
    ['the request itself', (request) => request],
    ["another's answer", (request) => answered(Buffer.concat([request.subarray(0, 8), Buffer.alloc(12, 1)]))],
    ['a part', (request) => answered(request).subarray(0, 19)],
  ]
  for (const [name, answer] of answers) {
    let asked = 0
    const port = await stunServer(t, (request) => {
      asked += 1
      return answer(request)
    })
    const { relay } = probe(t, `turn:127.0.0.1:${port}?transport=udp`)
    await until(() => asked >= 3, name)
    t.not(relay.facts.down, null, name)
  }
})

test('a server over TCP is asked over TCP', async (t) => {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (request) => socket.write(answered(request)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { relay } = probe(t, `turn:127.0.0.1:${port}?transport=tcp`)
  await until(() => relay.facts.down === null, 'the relay is up')
  t.pass()
})

test('the entry of an enrolled node stays, and its operator may drain it', async (t) => {
  const topology = new Topology()
  const entry = nodeEntrySchema.parse({ role: 'relay', region: 'us', max_flows: 10, created_at: 5 })
  topology.upsert(null, 'eu-1', entry, 0)
  const { relay } = probe(t, `turn:127.0.0.1:${await stunServer(t)}?transport=udp`, topology)
  await until(() => relay.facts.down === null, 'the relay is up')
  t.like(relay.facts, { region: 'us', load: 0 })
  topology.upsert(null, 'eu-1', { ...entry, draining: true }, 0)
  t.is(relay.facts.down, 'an operator drains it')
})

test('an address that nothing can be sent to is an answer that does not come', async (t) => {
  // Broadcast is refused by the kernel, as an address without a route is.
  const asked = probeStun({ protocol: 'udp', host: '255.255.255.255', port: 3478 }, AbortSignal.timeout(2000))
  const error = await t.throwsAsync(asked)
  t.regex(String(error), /EACCES|ENETUNREACH/)
})
