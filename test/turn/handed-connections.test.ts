import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import test from 'ava'
import { TURN_PROTOCOL } from '../../server/tls/turn-on-https.ts'
import { preambleOf } from '../../turn/preamble.ts'
import { httpsWithTurn } from '../support/https-with-turn.ts'
import { testCertificate } from '../support/test-certificate.ts'
import { codeOf, TurnClient } from '../support/turn-client.ts'
import { Peer, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

for (const protocols of [[TURN_PROTOCOL], []] as const)
  test(`TURN is spoken on the port of HTTPS, with ${protocols.length} protocols offered`, async (t) => {
    await using rig = await httpsWithTurn()
    await using peer = await Peer.open()
    await using client = await TurnClient.tcp(rig.at, turnUser(), true, protocols)
    const relayed = await client.allocate()
    await client.bind(0x4000, peer.endpoint)
    client.sendChannel(0x4000, Buffer.alloc(1200))
    await until(() => peer.received.length === 1, 'the packet at the peer')
    peer.send(Buffer.alloc(1200), relayed)
    await until(() => client.received.length === 1, 'the packet at the client')
    t.is(rig.counts.handed, 1)
    // The client's own address, not the hub's.
    const [flow] = rig.turn.report().flows
    t.is(flow?.protocol, 'tls')
    t.is(flow?.client, `127.0.0.1:${client.localPort}`)
    await client[Symbol.asyncDispose]()
    await until(() => rig.turn.report().allocations === 0, 'the end of the allocation')
  })

for (const [name, protocols] of [
  ['that a browser makes', ['http/1.1']],
  ['of a client that offers no protocol', []],
] as const)
  test(`HTTP goes on, in a connection ${name}, several requests and a body included`, async (t) => {
    await using rig = await httpsWithTurn()
    const { port } = rig.at
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ALPNProtocols: [...protocols],
    })
    await once(socket, 'secureConnect')
    let said = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => said.includes('GET hello'), 'an answer')
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab')
    socket.write('cde')
    await until(() => said.includes('POST hello'), 'an answer to the body')
    t.is(rig.counts.handed, 0)
    socket.destroy()
  })

test('a node is asked for its certificate, whether it offers a protocol or not, as Node does not', async (t) => {
  await using rig = await httpsWithTurn()
  const node = await testCertificate('node-7')
  const { port } = rig.at
  for (const [protocols, name] of [
    [['http/1.1'], 'node-7'],
    [[], 'node-7'],
  ] as const) {
    const socket = connectTls({
      ...node,
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ALPNProtocols: [...protocols],
    })
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const said = await text(socket)
    t.true(said.includes(`hello ${name}`), said)
  }
})

test('a server that stops lets go of who speaks TURN, and of who has said nothing', async (t) => {
  await using rig = await httpsWithTurn()
  await using client = await TurnClient.tcp(rig.at, turnUser(), true)
  await client.allocate()
  const { port } = rig.at
  const raw = connect({ host: '127.0.0.1', port })
  const silent = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  for (const socket of [raw, silent]) socket.on('error', () => {}).resume()
  await Promise.all([once(raw, 'connect'), once(silent, 'secureConnect')])
  const startedAt = performance.now()
  await rig.stop()
  t.true(performance.now() - startedAt < 800, 'nobody was waited for')
  await until(() => client.closed && raw.closed && silent.closed, 'the end of all connections')
})

test('who says nothing is let go', async (t) => {
  await using rig = await httpsWithTurn()
  const socket = connectTls({ host: '127.0.0.1', port: rig.at.port, rejectUnauthorized: false })
  socket.on('error', () => {}).resume()
  await once(socket, 'close')
  t.pass()
})

for (const [name, line] of [
  ['another token', preambleOf('0'.repeat(32), '192.0.2.1', 1)],
  ['no line', 'x'.repeat(200)],
  ['STUN', '\u0000\u0001\u0000\u0000'],
] as const)
  test(`who is not the hub is not heard: ${name}`, async (t) => {
    await using rig = await httpsWithTurn()
    const socket = connect({ host: '127.0.0.1', port: rig.turn.bound.handed.port })
    socket.on('error', () => {}).resume()
    socket.write(line)
    await once(socket, 'close')
    await using client = await TurnClient.tcp(rig.at, turnUser(), true)
    t.is(codeOf(await client.challenge()), 401)
  })

for (const address of ['nonsense', '1.2.3.4.5', '192.0.2.1 99999', ''])
  test(`an address of ${JSON.stringify(address)} is none`, async (t) => {
    await using rig = await httpsWithTurn()
    const { port, token } = rig.turn.bound.handed
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => {}).resume()
    socket.write(`${token} ${address} 1\n`)
    await once(socket, 'close')
    t.pass()
  })
