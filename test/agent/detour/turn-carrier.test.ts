import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import test from 'ava'
import { SentBytes } from '../../../agent/detour/sent-bytes.ts'
import { TurnCarrier } from '../../../agent/detour/turn-carrier.ts'
import { turnServersOf } from '../../../agent/detour/turn-url.ts'
import type { Via } from '../../../common/wire/flow-contract.ts'
import { TurnServer } from '../../../turn/turn-server.ts'
import { detourContract, openDoor, openUdpGate, sendByContract } from '../../support/detour-bench.ts'
import { listen } from '../../support/rist-bench.ts'
import { Peer, turnStart, turnUser } from '../../support/turn-rig.ts'
import { until } from '../../support/until.ts'

const endpointAt = (port: number) => ({ node_id: 'hub', address: '127.0.0.1', port })

function addressOf(server: TurnServer, user = turnUser()) {
  const { port } = server.bound.tcp[0]!
  return { host: '127.0.0.1', port, secure: false, ...user }
}

function listener() {
  const heard: string[] = []
  const lost: string[] = []
  return {
    heard,
    lost,
    options: {
      queueMs: 300,
      signal: AbortSignal.timeout(60_000),
      listener: {
        heard: (link: number, datagram: Uint8Array) => heard.push(`${link} ${Buffer.from(datagram)}`),
        lost: (why: string) => lost.push(why),
      },
    },
  }
}

test('datagrams of each link go to its endpoint by a channel of its own, and answers come back', async (t) => {
  await using server = await TurnServer.open(turnStart())
  await using first = await Peer.open()
  await using second = await Peer.open()
  const { heard, lost, options } = listener()
  const endpoints = [endpointAt(first.endpoint.port), endpointAt(second.endpoint.port)]
  {
    using carrier = await TurnCarrier.open(addressOf(server), endpoints, options)
    carrier.send(0, Buffer.from('one'))
    carrier.send(1, Buffer.from('two..'))
    await until(() => first.received.length + second.received.length === 2, 'both arrive')
    t.is(first.received[0]!.data.toString(), 'one')
    t.is(second.received[0]!.data.toString(), 'two..')
    const [ip, port] = second.received[0]!.from.split(':')
    const { Endpoint } = await import('../../../common/net/endpoint.ts')
    second.send(Buffer.from('answer'), Endpoint.of(ip!, Number(port)))
    await until(() => heard.length === 1, 'the answer')
    t.deepEqual(heard, ['1 answer'])
    t.is(server.report().allocations, 1)
  }
  await until(() => server.report().allocations === 0, 'the allocation ends with its connection')
  t.deepEqual(lost, [])
})

test('a server that goes away is told once', async (t) => {
  const server = await TurnServer.open(turnStart())
  const { lost, options } = listener()
  using _carrier = await TurnCarrier.open(addressOf(server), [endpointAt(9)], options)
  await server[Symbol.asyncDispose]()
  await until(() => lost.length > 0, 'it is told')
  t.deepEqual(lost, ['the connection is lost'])
})

test('refused: expired and foreign credentials, a peer that is not the hub, a closed port', async (t) => {
  await using server = await TurnServer.open(turnStart())
  const { lost, options } = listener()
  const refused = async (...args: Parameters<typeof TurnCarrier.open>) => {
    const error = await t.throwsAsync(() => TurnCarrier.open(...args))
    t.is((error as { code?: string }).code, 'detour_lost')
    return error.message
  }
  const peer = [endpointAt(9)]
  t.regex(await refused(addressOf(server, turnUser({ lifeS: -10 })), peer, options), /refuses: 401/)
  t.regex(await refused(addressOf(server, turnUser({ secret: 'another' })), peer, options), /refuses: 401/)
  const elsewhere = [{ node_id: 'hub', address: '203.0.113.9', port: 9 }]
  t.regex(await refused(addressOf(server), elsewhere, options), /refuses: 403/)
  t.regex(await refused({ ...addressOf(server), port: 9 }, peer, options), /does not answer/)
  t.deepEqual(lost, [])
  await until(() => server.report().allocations === 0, 'no allocation is left')
})

const NONSENSE: Readonly<Record<string, (socket: Socket) => void>> = {
  'what is no TURN': (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'random bytes': (socket) => socket.write(Buffer.alloc(4096, 0xff)),
  'ChannelData of no channel': (socket) => socket.write(Buffer.from('7fff0004deadbeef', 'hex')),
  'the end': (socket) => socket.end(),
}

for (const [name, answer] of Object.entries(NONSENSE))
  test(`a server that answers with ${name} is no detour`, async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        answer(socket)
        setTimeout(() => socket.destroy(), 50)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { lost, options } = listener()
    const { port } = server.address() as AddressInfo
    const address = { host: '127.0.0.1', port, secure: false, username: 'u', password: 'p' }
    const error = await t.throwsAsync(() => TurnCarrier.open(address, [endpointAt(9)], options))
    t.is((error as { code?: string }).code, 'detour_lost')
    t.deepEqual(lost, [])
    server.close()
  })

test('URLs of TURN over TCP and TLS are read, others left out', (t) => {
  const urls = [
    'turn:hub.example:3478?transport=udp',
    'turn:hub.example:3478?transport=tcp',
    'turns:[2001:db8::1]:5349?transport=tcp',
    'turns:hub.example?transport=tcp',
    'stun:hub.example:3478',
    'turn:a b?transport=tcp',
  ]
  const servers = turnServersOf({ ice_servers: [{ urls, username: 'u', credential: 'p' }, { urls }] })
  t.deepEqual(
    servers.map(({ host, port, secure }) => `${secure ? 'tls' : 'tcp'} ${host} ${port}`),
    ['tcp hub.example 3478', 'tls 2001:db8::1 5349', 'tls hub.example 5349'],
  )
})

test('bytes that wait longer than a round trip and what is allowed are congestion', (t) => {
  const sent = new SentBytes(50)
  t.false(sent.congested(0, 20, 0))
  sent.sent(100, 0)
  sent.sent(100, 30)
  t.false(sent.congested(200, 20, 70))
  t.true(sent.congested(200, 20, 71))
  // The first has got across: only the second waits.
  t.false(sent.congested(80, 20, 80))
  t.true(sent.congested(80, 20, 101))
  t.false(sent.congested(0, 20, 500))
})

test.serial(
  'a sender without UDP takes the TURN relay, and the WebSocket when the relay is gone',
  async (t) => {
    t.timeout(90_000)
    await using receiver = await listen(1, { buffer: { minMs: 200, maxMs: 200 } })
    await using door = await openDoor({ ports: receiver.ports })
    const server = await TurnServer.open(turnStart())
    // A firewall for the sender alone: what the relay sends gets through.
    using gate = await openUdpGate(receiver.ports[0]!, false)
    const user = turnUser()
    const contract = detourContract([gate.port])
    const ice = {
      urls: [`turn:127.0.0.1:${server.bound.tcp[0]!.port}?transport=tcp`],
      username: user.username,
      credential: user.password,
    }
    const ways: (Via | undefined)[] = []
    const failed: string[] = []
    const [first, last] = turnStart().relay.ports
    gate.lets = (port) => port >= first && port <= last
    await using _sender = await sendByContract(
      {
        ...contract,
        join: { ...contract.join, ice_servers: [ice] },
        detours: [{ via: 'turn', url: null, queue_ms: 300 }, ...contract.detours],
      },
      {
        hubUrl: door.url,
        onWays: (now) => ways.push(now.get(0)),
        onDetourFailed: (via, why) => failed.push(`${via} ${why}`),
      },
    )
    await until(() => ways.at(-1) === 'turn', 'the relay is taken')
    await until(() => receiver.chunks.length > 400, 'two seconds of packets')
    t.is(door.door.connections, 0)
    await server[Symbol.asyncDispose]()
    await until(() => ways.at(-1) === 'wss', 'the WebSocket is taken')
    const before = receiver.chunks.length
    await until(() => receiver.chunks.length > before + 400, 'two seconds of packets')
    t.regex(failed.join('\n'), /^turn the connection is lost/)
  },
)
