import { randomBytes } from 'node:crypto'
import test from 'ava'
import { Endpoint } from '../../common/net/endpoint.ts'
import { ATTRIBUTE, METHOD } from '../../common/stun/stun-types.ts'
import { StunWriter } from '../../common/stun/stun-writer.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient, udpTransport } from '../support/turn-client.ts'
import { Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

/** Requests as other people's clients write them: orders, padding, and attributes that they add. */

interface Words {
  readonly writer: StunWriter
  readonly user: ReturnType<typeof turnUser>
  readonly client: TurnClient
}
type Attribute = (words: Words) => unknown

const username: Attribute = ({ writer, user }) => writer.text(ATTRIBUTE.username, user.username)
const realm: Attribute = ({ writer, client }) => writer.text(ATTRIBUTE.realm, client.realm)
const nonce: Attribute = ({ writer, client }) => writer.text(ATTRIBUTE.nonce, client.nonce)
const transport: Attribute = ({ writer }) => udpTransport(writer)
const proof: Attribute = ({ writer, client }) => writer.integrity('sha1', client.key)
const stronger: Attribute = ({ writer, client }) => writer.integrity('sha256', client.key)
const fingerprint: Attribute = ({ writer }) => writer.fingerprint()
const lifetime: Attribute = ({ writer }) => writer.uint32(ATTRIBUTE.lifetime, 3600)
const software =
  (length: number): Attribute =>
  ({ writer }) =>
    writer.text(ATTRIBUTE.software, 'x'.repeat(length))
const other =
  (type: number, value: Uint8Array): Attribute =>
  ({ writer }) =>
    writer.add(type, value)
const ipv4 = other(ATTRIBUTE.requestedAddressFamily, Buffer.of(1, 0, 0, 0))

/** An Allocate with these attributes in this order, and the answer's code. */
const ALLOCATES: readonly (readonly [client: string, code: number, attributes: readonly Attribute[]])[] = [
  ['libwebrtc', 0, [transport, username, realm, nonce, proof]],
  ['pion', 0, [transport, username, realm, nonce, proof, fingerprint]],
  ['libnice', 0, [software(40), transport, lifetime, username, nonce, realm, proof, fingerprint]],
  ['pjnath', 0, [software(12), transport, lifetime, username, realm, nonce, proof]],
  ['one with the transport behind the nonce', 0, [nonce, realm, username, transport, proof]],
  ['one that never says UDP', 400, [username, realm, nonce, proof]],
  ['coturn, with the family by name', 0, [transport, ipv4, username, realm, nonce, proof, fingerprint]],
  [
    'one with DONT-FRAGMENT',
    0,
    [transport, other(ATTRIBUTE.dontFragment, Buffer.alloc(0)), username, realm, nonce, proof],
  ],
  [
    'one that asks for an even port',
    0,
    [transport, other(ATTRIBUTE.evenPort, Buffer.of(0)), username, realm, nonce, proof],
  ],
  [
    'one with a long name of its software',
    0,
    [software(700), transport, username, realm, nonce, proof, fingerprint],
  ],
  [
    'one with ORIGIN, MOBILITY-TICKET and an attribute of Google',
    0,
    [
      transport,
      other(0x802f, Buffer.from('https://example.org')),
      other(0x8030, Buffer.alloc(0)),
      other(0xc057, Buffer.of(0, 1, 0, 10)),
      username,
      realm,
      nonce,
      proof,
    ],
  ],
  [
    'a draft of before RFC 5766, which asks for bandwidth',
    420,
    [transport, other(0x0010, Buffer.of(0, 0, 4, 0)), username, realm, nonce, proof],
  ],
  [
    'one that proves itself in both ways',
    0,
    [transport, username, realm, nonce, proof, stronger, fingerprint],
  ],
  [
    'one with words behind the proof, which count for nothing',
    0,
    [transport, username, realm, nonce, proof, software(20)],
  ],
  ['one that says its transport behind the proof', 400, [username, realm, nonce, proof, transport]],
  [
    'one that says everything twice, of which the first counts',
    0,
    [
      transport,
      other(ATTRIBUTE.requestedTransport, Buffer.of(6, 0, 0, 0)),
      username,
      other(ATTRIBUTE.username, Buffer.from('nobody')),
      realm,
      nonce,
      proof,
    ],
  ],
  ['a proof that is not there, with a fingerprint', 401, [transport, username, realm, nonce, fingerprint]],
]

for (const [what, wanted, attributes] of ALLOCATES)
  test(`Allocate of ${what} is answered ${wanted}`, async (t) => {
    await using server = await TurnServer.open(turnStart())
    for (const protocol of ['udp', 'tcp'] as const) {
      const user = turnUser({ contract: protocol })
      await using client = await TurnClient[protocol](server.bound[protocol][0]!, user)
      await client.challenge()
      const transaction = randomBytes(12)
      const writer = new StunWriter(Buffer.alloc(2048), 0, METHOD.allocate, transaction)
      for (const attribute of attributes) attribute({ writer, user, client })
      const answer = await client.exchange(writer.bytes.subarray(0, writer.length), transaction)
      t.is(codeOf(answer), wanted, protocol)
      if (wanted !== 0) continue
      t.is(answer?.uint32(ATTRIBUTE.lifetime), 600)
      t.is(answer?.has(ATTRIBUTE.fingerprint), attributes.includes(fingerprint), 'a fingerprint for one')
      // It is one like any other.
      t.is(codeOf(await client.bind(0x4000, Endpoint.of('127.0.0.1', 9))), 0)
      t.is(codeOf(await client.request(METHOD.refresh)), 0, 'Refresh without a lifetime')
      t.is(
        codeOf(
          await client.request(METHOD.refresh, (words) =>
            words.add(ATTRIBUTE.requestedAddressFamily, Buffer.of(1, 0, 0, 0)),
          ),
        ),
        0,
      )
    }
    t.is(server.report().refused['credentials'] ?? 0, 0)
  })

test('padding may hold anything, as in the vectors of RFC 5769', async (t) => {
  await using server = await TurnServer.open(turnStart())
  const user = turnUser({ contract: 'c23' })
  await using client = await TurnClient.udp(server.bound.udp[0]!, user)
  await client.challenge()
  const transaction = randomBytes(12)
  const writer = new StunWriter(Buffer.alloc(2048), 0, METHOD.allocate, transaction)
  const pad = (attribute: Attribute, length: number) => {
    attribute({ writer, user, client })
    if (length % 4 !== 0) writer.bytes.fill(0x20, writer.length - (4 - (length % 4)), writer.length)
  }
  transport({ writer, user, client })
  pad(username, user.username.length)
  pad(software(5), 5)
  pad(realm, client.realm.length)
  pad(nonce, client.nonce.length)
  proof({ writer, user, client })
  t.is(codeOf(await client.exchange(writer.bytes.subarray(0, writer.length), transaction)), 0)
})

const AT = (peer: Peer) => (writer: StunWriter) => writer.address(ATTRIBUTE.xorPeerAddress, peer.endpoint)
const DATA = (writer: StunWriter) => writer.add(ATTRIBUTE.data, Buffer.from('hello'))

/** Send indications, and whether the peer gets them. */
const SENDS: readonly (readonly [
  what: string,
  passes: boolean,
  write: (peer: Peer) => ((writer: StunWriter) => unknown)[],
])[] = [
  ['with the peer first', true, (peer) => [AT(peer), DATA]],
  ['with the data first', true, (peer) => [DATA, AT(peer)]],
  ['of pion, with a fingerprint', true, (peer) => [DATA, AT(peer), (writer) => writer.fingerprint()]],
  [
    'of libnice, with the name of its software',
    true,
    (peer) => [AT(peer), DATA, (writer) => writer.text(ATTRIBUTE.software, 'libnice')],
  ],
  [
    'that may not be fragmented',
    true,
    (peer) => [AT(peer), (writer) => writer.add(ATTRIBUTE.dontFragment, Buffer.alloc(0)), DATA],
  ],
  [
    'with an attribute that must be understood',
    false,
    (peer) => [AT(peer), (writer) => writer.uint32(0x0055, 1), DATA],
  ],
  ['without data', false, (peer) => [AT(peer)]],
  ['without a peer', false, () => [DATA]],
]

for (const [what, passes, write] of SENDS)
  test(`a Send indication ${what} ${passes ? 'passes' : 'is dropped'}`, async (t) => {
    await using server = await TurnServer.open(turnStart())
    await using peer = await Peer.open()
    await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
    await client.allocate()
    await client.permit(peer.endpoint)
    const bytes = client.write(METHOD.send | 0x0010, (writer) => {
      for (const attribute of write(peer)) attribute(writer)
    })
    client.raw(bytes)
    await until(
      () => peer.received.length === 1 || server.report().packets_dropped === 1,
      'it passes or is dropped',
    )
    t.is(peer.received.length, passes ? 1 : 0)
    if (passes) t.is(peer.received[0]?.data.toString(), 'hello')
  })

/** ChannelData over UDP, where padding may be there or not (RFC 8656 section 12.5), and whether the peer gets it. */
const CHANNEL_DATA: readonly (readonly [what: string, passes: boolean, frame: Uint8Array])[] = [
  ['without padding', true, Buffer.from([0x40, 0, 0, 5, ...Buffer.from('hello')])],
  ['with padding, as pjnath has it', true, Buffer.from([0x40, 0, 0, 5, ...Buffer.from('hello\0\0\0')])],
  ['with more behind it than padding', true, Buffer.from([0x40, 0, 0, 5, ...Buffer.from('hello, and more')])],
  ['that is longer than its datagram', false, Buffer.from([0x40, 0, 0, 9, ...Buffer.from('hello')])],
  ['of a channel that is not bound', false, Buffer.from([0x40, 1, 0, 5, ...Buffer.from('hello')])],
  ['that ends in its header', false, Buffer.from([0x40, 0, 0])],
]

for (const [what, passes, frame] of CHANNEL_DATA)
  test(`ChannelData ${what} ${passes ? 'passes' : 'is dropped'}`, async (t) => {
    await using server = await TurnServer.open(turnStart())
    await using peer = await Peer.open()
    await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
    await client.allocate()
    await client.bind(0x4000, peer.endpoint)
    client.raw(frame)
    await until(
      () => peer.received.length === 1 || server.report().packets_dropped === 1,
      'it passes or is dropped',
    )
    t.is(peer.received.length, passes ? 1 : 0)
    if (passes) t.is(peer.received[0]?.data.toString(), 'hello')
  })
