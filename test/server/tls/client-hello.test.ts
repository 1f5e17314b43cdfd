import { once } from 'node:events'
import { createServer } from 'node:net'
import { connect } from 'node:tls'
import test from 'ava'
import { readClientHello } from '../../../server/tls/client-hello.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'

/** What OpenSSL says first. */
async function helloOf(options: { ALPNProtocols?: string[]; servername?: string; maxVersion?: 'TLSv1.2' }) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
  client.on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [hello] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  server.close()
  return hello as Buffer
}

for (const [name, options, offers] of [
  ['HTTP', { ALPNProtocols: ['h2', 'http/1.1'], servername: 'hub.example' }, true],
  ['TURN', { ALPNProtocols: ['stun.turn'] }, true],
  ['nothing', { servername: 'hub.example' }, false],
  ['nothing, by an address', {}, false],
  ['HTTP by TLS 1.2', { ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' }, true],
  ['nothing by TLS 1.2', { maxVersion: 'TLSv1.2' }, false],
] as const)
  test(`a client that offers ${name}, its first message in any pieces`, async (t) => {
    const { ALPNProtocols, ...rest } = { ALPNProtocols: undefined, ...options }
    const hello = await helloOf({ ...rest, ...(ALPNProtocols ? { ALPNProtocols: [...ALPNProtocols] } : {}) })
    const seen = { offersProtocols: offers, greases: false }
    t.deepEqual(readClientHello(hello), seen)
    t.deepEqual(readClientHello(Buffer.concat([hello, Buffer.alloc(9)])), seen)
    // Behind version, random and session id, and the length of the list: the first cipher suite.
    const suite = 9 + 34 + 1 + hello[9 + 34]! + 2
    for (const [value, greases] of [
      [0x0a0a, true],
      [0xfafa, true],
      [0x1a2a, false],
      [0x0b0b, false],
    ] as const) {
      hello.writeUInt16BE(value, suite)
      t.deepEqual(readClientHello(hello), { offersProtocols: offers, greases })
    }
    for (let bytes = 0; bytes < hello.length; bytes += 1)
      t.is(readClientHello(hello.subarray(0, bytes)), null)
  })

test('what is no ClientHello goes where TLS refuses it', (t) => {
  for (const text of ['GET / HTTP/1.1', '\u0000', '\u0016\u0003\u0001\u0000\u0005\u0002\u0000\u0000\u0001'])
    t.deepEqual(readClientHello(Buffer.from(text, 'latin1')), { offersProtocols: true, greases: false })
})

test('spoiled first messages throw nothing', async (t) => {
  const hello = await helloOf({})
  const random = new SeededRandom('client hello')
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.from(hello)
    for (let flips = 0; flips < 4; flips += 1) bytes[random.below(bytes.length)] = random.below(256)
    t.notThrows(() => readClientHello(bytes))
  }
})
