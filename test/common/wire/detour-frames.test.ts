import test from 'ava'
import {
  DetourMessageWriter,
  MAX_DATAGRAM_BYTES,
  MAX_DETOUR_MESSAGE_BYTES,
  readDetourMessage,
} from '../../../common/wire/detour-frames.ts'

const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('what was written is read again, whatever the numbers', (t) => {
  const writer = new DetourMessageWriter()
  const datagrams = [Buffer.alloc(1, 1), Buffer.alloc(MAX_DATAGRAM_BYTES, 2), Buffer.from('datagram')]
  for (const [link, datagram] of datagrams.entries()) t.true(writer.add(link, datagram))
  const message = readDetourMessage(writer.take(2 ** 32 + 7.9), 3)
  t.is(message?.clock, 7)
  t.deepEqual(
    message?.entries.map(({ link, datagram }) => [link, Buffer.from(datagram)]),
    datagrams.map((datagram, link) => [link, datagram]),
  )
  t.true(writer.empty)
})

test('a message is an answer even without datagrams', (t) => {
  t.deepEqual(readDetourMessage(new DetourMessageWriter().take(1), 1), { clock: 1, entries: [] })
})

test('a full message takes no more, and what was in it stays', (t) => {
  const writer = new DetourMessageWriter()
  let taken = 0
  while (writer.add(0, Buffer.alloc(1000, taken))) taken += 1
  const message = writer.take(0)
  t.true(message.length <= MAX_DETOUR_MESSAGE_BYTES)
  t.is(readDetourMessage(message, 1)?.entries.length, taken)
})

test('a message that was taken does not change with the next one', (t) => {
  const writer = new DetourMessageWriter()
  writer.add(0, Buffer.from('first'))
  const first = writer.take(1)
  writer.add(0, Buffer.from('other'))
  writer.take(2)
  t.is(Buffer.from(readDetourMessage(first, 1)!.entries[0]!.datagram).toString(), 'first')
})

const REFUSED: Readonly<Record<string, Buffer>> = {
  'an empty message': bytes(''),
  'half a header': bytes('01 000000'),
  'another version': bytes('02 00000000 00 0001 aa'),
  'a link that the contract does not have': bytes('01 00000000 02 0001 aa'),
  'half an entry header': bytes('01 00000000 00 00'),
  'an entry without bytes': bytes('01 00000000 00 0000'),
  'an entry that is cut short': bytes('01 00000000 00 0003 aabb'),
  'an entry longer than any datagram': Buffer.concat([
    bytes('01 00000000 00 05dd'),
    Buffer.alloc(MAX_DATAGRAM_BYTES + 1),
  ]),
  'a message longer than any': Buffer.alloc(MAX_DETOUR_MESSAGE_BYTES + 1, 1),
  'a good entry, then a bad one': bytes('01 00000000 00 0001 aa 01 ffff 00'),
}

for (const [name, message] of Object.entries(REFUSED))
  test(`not read: ${name}`, (t) => {
    t.is(readDetourMessage(message, 2), null)
  })

test('no bytes make the reader throw, and what it reads lies within the message', (t) => {
  let state = 7316
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
  for (let round = 0; round < 20_000; round += 1) {
    const message = Buffer.alloc(Math.floor(random() * 64))
    for (let at = 0; at < message.length; at += 1)
      message[at] = random() < 0.6 ? 0 : Math.floor(random() * 256)
    if (message.length > 0 && random() < 0.8) message[0] = 1
    const read = readDetourMessage(message, 4)
    if (!read) continue
    for (const { link, datagram } of read.entries) t.true(link < 4 && datagram.length > 0)
  }
})
