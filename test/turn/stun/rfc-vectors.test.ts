import test from 'ava'
import { Endpoint } from '../../../common/net/endpoint.ts'
import { longTermKey, proof, proves } from '../../../common/stun/integrity.ts'
import { readXorAddress } from '../../../common/stun/stun-address.ts'
import { StunMessage } from '../../../common/stun/stun-message.ts'
import { ATTRIBUTE, CLASS, METHOD } from '../../../common/stun/stun-types.ts'
import { StunWriter } from '../../../common/stun/stun-writer.ts'

const PASSWORD = Buffer.from('VOkJxbRl1RmTxUk/WvJxBt')
const HEADER = '2112a442 b7e7a701 bc34d686 fa87dfae'
const SOFTWARE = '8022000b 74657374 20766563 746f7220'
const USER = '\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9'

/** RFC 5769, sections 2.1 to 2.4. */
const VECTORS: readonly {
  readonly name: string
  readonly hex: string
  readonly key: Buffer
  readonly fingerprint: boolean
  readonly username?: string
  readonly mapped?: string
}[] = [
  {
    name: 'request',
    hex: `00010058 ${HEADER} 80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
      80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020
      00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf`,
    key: PASSWORD,
    fingerprint: true,
    username: 'evtj:h6vY',
  },
  {
    name: 'IPv4 response',
    hex: `0101003c ${HEADER} ${SOFTWARE} 00200008 0001a147 e112a643
      00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96`,
    key: PASSWORD,
    fingerprint: true,
    mapped: '192.0.2.1:32853',
  },
  {
    name: 'IPv6 response',
    hex: `01010048 ${HEADER} ${SOFTWARE} 00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
      00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c`,
    key: PASSWORD,
    fingerprint: true,
    mapped: '[2001:db8:1234:5678:11:2233:4455:6677]:32853',
  },
  {
    name: 'request with long-term authentication',
    hex: `00010060 2112a442 78ad3433 c6ad72c0 29da412e
      00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000
      0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341
      0014000b 6578616d 706c652e 6f726700 00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666`,
    key: longTermKey('md5', USER, 'example.org', 'TheMatrIX'),
    fingerprint: false,
    username: USER,
  },
]

const bytesOf = (hex: string) => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')

for (const { name, hex, key, fingerprint, username, mapped } of VECTORS) {
  test(`RFC vector: ${name}`, (t) => {
    // Wherever a message lies: packets have room in front.
    const bytes = Buffer.concat([Buffer.alloc(7), bytesOf(hex), Buffer.alloc(9, 0xff)])
    const message = StunMessage.read(bytes, 7, bytesOf(hex).length)!
    t.truthy(message)
    t.true(proves(message, 'sha1', key))
    t.false(proves(message, 'sha1', Buffer.from('another key')))
    t.is(message.has(ATTRIBUTE.fingerprint), fingerprint)
    if (username) t.is(message.text(ATTRIBUTE.username), username)
    const address = message.find(ATTRIBUTE.xorMappedAddress)
    if (mapped) t.is(readXorAddress(bytes, 7, address!.at, address!.length)?.toString(), mapped)
  })

  test(`RFC vector with any bit flipped: ${name}`, (t) => {
    const right = bytesOf(hex)
    const authentic: number[] = []
    for (let bit = 0; bit < right.length * 8; bit += 1) {
      const bytes = Buffer.from(right)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      const message = StunMessage.read(bytes, 0, bytes.length)
      if (message && proves(message, 'sha1', key)) authentic.push(bit >> 3)
    }
    // Behind the proof, what is no fingerprint any more does not count.
    const type = right.length - 8
    t.deepEqual([...new Set(authentic)], fingerprint ? [type, type + 1] : [])
  })

  test(`RFC vector of every shorter length: ${name}`, (t) => {
    const right = bytesOf(hex)
    for (let length = 0; length < right.length; length += 1)
      t.is(StunMessage.read(right, 0, length), null, `${length} bytes`)
  })
}

test('what we write is what the RFC has', (t) => {
  const bytes = Buffer.alloc(200)
  const transaction = bytesOf(HEADER).subarray(4)
  for (const { hex, mapped } of VECTORS) {
    if (!mapped) continue
    const [ip = '', port] = mapped.startsWith('[')
      ? [mapped.slice(1, mapped.indexOf(']')), mapped.slice(mapped.lastIndexOf(':') + 1)]
      : mapped.split(':')
    const writer = new StunWriter(bytes, 0, METHOD.binding | CLASS.success, transaction)
    // The RFC pads with spaces, which count in its proof, and we with zeros: so an attribute of 12 bytes, then its length.
    writer.text(ATTRIBUTE.software, 'test vector ')
    bytes.writeUInt16BE(11, 22)
    writer.address(ATTRIBUTE.xorMappedAddress, Endpoint.of(ip, Number(port)))
    writer.integrity('sha1', PASSWORD).fingerprint()
    t.is(bytes.subarray(0, writer.length).toString('hex'), bytesOf(hex).toString('hex'))
  }
})

test('MESSAGE-INTEGRITY-SHA256 is as in RFC 8489, appendix B.1', (t) => {
  const upToProof = bytesOf(`0001009c 2112a442 78ad3433 c6ad72c0 29da412e
    001e0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704
    00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464 364f4c33 346f4c39 46535476 79363473 41000000
    0014000b 6578616d 706c652e 6f726700`)
  const key = longTermKey('sha256', USER, 'example.org', 'TheMatrIX')
  // The RFC's header counts 20 bytes more than its message has, and the proof was made so.
  const until = 20 + upToProof.readUInt16BE(2)
  t.is(
    proof(upToProof, 0, upToProof.length, until, 'sha256', key).toString('hex'),
    'e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01',
  )
})
