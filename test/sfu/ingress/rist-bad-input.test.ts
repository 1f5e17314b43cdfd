import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { BondedSenderOptions } from '../../../agent/sender/bonded-sender.ts'
import { listen, missing, sendCounting } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

/** A wrong sender beside a right one: it delivers nothing, its reason is told, the right one does not notice. */
const refused = test.macro(
  async (t: ExecutionContext, wrong: Partial<BondedSenderOptions>, reason: string) => {
    await using receiver = await listen(2)
    await using good = await sendCounting(receiver.ports)
    await until(() => receiver.chunks.length > 50, 'data of the right sender')
    await using _bad = await sendCounting(receiver.ports, wrong)
    await until(() => receiver.reasons().includes(reason), `the reason ${reason}`)
    const before = receiver.chunks.length
    await until(() => receiver.chunks.length > before + 100, 'more data')
    t.deepEqual(receiver.reasons(), [reason])
    t.is(missing(receiver.chunks), 0)
    t.deepEqual(receiver.events, [{ type: 'connected', flowId: good.sender.flowId }])
    t.true(receiver.rejections.every((rejection) => rejection.count >= 1 && rejection.detail.length > 10))
  },
)

test('a wrong passphrase is refused', refused, { passphrase: 'not this one' }, 'wrong_passphrase')
test('a wrong password is refused', refused, { password: 'not this one' }, 'wrong_credentials')
test('a wrong username is refused', refused, { username: 'nobody' }, 'wrong_credentials')
test('AES-128 is refused where AES-256 is demanded', refused, { aesBits: 128 }, 'weak_key')
// 0 is what librist makes of a passphrase without an AES type; the type does not allow it to our own senders.
const cleartext = { aesBits: 0 as unknown as 128 }
test('cleartext is refused even with the right credentials', refused, cleartext, 'plaintext')

test('random bytes are refused, and the stream does not notice', async (t) => {
  await using receiver = await listen(2)
  await using _good = await sendCounting(receiver.ports)
  await until(() => receiver.chunks.length > 50, 'data')
  const socket = createSocket('udp4')
  for (let count = 0; count < 400; count++) {
    socket.send(randomBytes(1 + ((count * 37) % 1400)), receiver.ports[0]!, '127.0.0.1')
  }
  await until(() => receiver.reasons().includes('garbage'), 'garbage told')
  socket.close()
  const before = receiver.chunks.length
  await until(() => receiver.chunks.length > before + 100, 'more data')
  t.is(missing(receiver.chunks), 0)
})

test('garbage that looks like RIST crashes nothing', async (t) => {
  await using receiver = await listen(2)
  await using _good = await sendCounting(receiver.ports)
  await until(() => receiver.chunks.length > 50, 'data')
  const socket = createSocket('udp4')
  const protocols = [0x888e, 0x88b5, 0x88b6, 0x0800, 0xcce0]
  for (let count = 0; count < 1000; count++) {
    const packet = randomBytes(4 + ((count * 31) % 300))
    packet.writeUInt16BE(count % 2 === 0 ? 0x3040 : 0x0000, 0)
    packet.writeUInt16BE(protocols[count % protocols.length]!, 2)
    socket.send(packet, receiver.ports[1]!, '127.0.0.1')
  }
  await until(() => receiver.rejections.length > 0, 'something told')
  socket.close()
  const before = receiver.chunks.length
  await until(() => receiver.chunks.length > before + 100, 'more data')
  t.is(missing(receiver.chunks), 0)
})

// Alone: librist's threads of both receivers need a core that eight other receivers do not want as well.
test.serial(
  'a flood of garbage on one link for 5 s disturbs neither the other link nor another stream',
  async (t) => {
    await using flooded = await listen(2)
    await using other = await listen(1)
    await using _good = await sendCounting(flooded.ports)
    await using _neighbour = await sendCounting(other.ports)
    await until(() => flooded.chunks.length > 50 && other.chunks.length > 50, 'data of both')
    const program = fileURLToPath(new URL('../../support/udp-flood.ts', import.meta.url))
    const flood = fork(program, [String(flooded.ports[0]), '5000'], { execArgv: [], stdio: 'inherit' })
    const [sent] = await once(flood, 'message')
    t.log(`${sent} packets in 5 s`)
    t.true(Number(sent) > 10_000)
    t.is(missing(flooded.chunks), 0)
    t.is(missing(other.chunks), 0)
    t.true(flooded.reasons().includes('garbage'))
    t.deepEqual(other.rejections, [])
    const before = flooded.chunks.length
    await until(() => flooded.chunks.length > before + 100, 'data after the flood')
  },
)
