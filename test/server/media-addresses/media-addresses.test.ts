import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { bindingRequest } from '../../../common/stun/binding.ts'
import { askStun } from '../../../server/media-addresses/ask-stun.ts'
import { ADDRESS_RULES, MediaAddresses } from '../../../server/media-addresses/media-addresses.ts'
import { stunAnswer } from '../../../server/media-addresses/stun-answer.ts'
import { until } from '../../support/until.ts'
import { attribute, message, stunServer, xorMapped } from './stun-server.ts'

const logger = createLogger('fatal')
const rules = { ...ADDRESS_RULES, everyMs: 50, laterMs: 2000, again: { initialMs: 50, maxMs: 50, factor: 1 } }
const config = {
  rtcIp: '127.0.0.1',
  rtcAnnounced: '',
  ristIp: '127.0.0.1',
  ristAnnounced: '',
  stunServer: null,
}
const { signal } = new AbortController()

test('addresses are those of the listeners where nobody asks', async (t) => {
  await using addresses = await MediaAddresses.open({ config, logger })
  t.deepEqual(addresses.announced, { rtc: '127.0.0.1', rist: '127.0.0.1' })
  t.is(addresses.failure, null)
})

test('a private interface is told by its public address, and what is set by hand stays', async (t) => {
  await using server = await stunServer('203.0.113.7')
  await using addresses = await MediaAddresses.open({ config: { ...config, stunServer: server }, logger })
  t.deepEqual(addresses.announced, { rtc: '203.0.113.7', rist: '203.0.113.7' })
  t.is(server.requests, 1, 'one question for one interface')
  const byHand = { ...config, rtcAnnounced: 'media.example.com', stunServer: server }
  await using half = await MediaAddresses.open({ config: byHand, logger })
  t.deepEqual(half.announced, { rtc: 'media.example.com', rist: '203.0.113.7' })
  const asked = server.requests
  await using all = await MediaAddresses.open({
    config: { ...byHand, ristAnnounced: '198.51.100.1' },
    logger,
  })
  t.deepEqual(all.announced, { rtc: 'media.example.com', rist: '198.51.100.1' })
  t.is(server.requests, asked)
})

test('without an answer the hub goes on, says so, asks again, and tells the address once it is known', async (t) => {
  await using server = await stunServer(null)
  const wide = { ...config, ristIp: '0.0.0.0', ristAnnounced: '198.51.100.1', stunServer: server }
  const quick = { ...rules, firstMs: 200, laterMs: 300 }
  await using addresses = await MediaAddresses.open({ config: wide, logger, rules: quick })
  t.regex(
    addresses.failure ?? '',
    /the STUN server 127\.0\.0\.1:\d+, asked from 127\.0\.0\.1: no answer in 0\.2 s/,
  )
  t.is(addresses.announced.rtc, '127.0.0.1')
  let told = 0
  addresses.onChange(() => told++)
  server.seen = '203.0.113.7'
  await until(() => addresses.failure === null, 'the address is known')
  t.is(addresses.announced.rtc, '203.0.113.7')
  t.true(told > 0)
})

test('an address that changes is told, and an outage leaves the one before', async (t) => {
  await using server = await stunServer('203.0.113.7')
  const quick = { ...rules, laterMs: 300 }
  await using addresses = await MediaAddresses.open({
    config: { ...config, stunServer: server },
    logger,
    rules: quick,
  })
  const seen: string[] = []
  addresses.onChange(() => seen.push(`${addresses.announced.rtc} ${addresses.failure === null}`))
  server.seen = '203.0.113.8'
  await until(() => seen.length > 0, 'the change')
  server.seen = null
  await until(() => addresses.failure !== null, 'the outage')
  t.deepEqual(seen, ['203.0.113.8 true', '203.0.113.8 false'])
})

test('a hub that stops amid a question stops at once', async (t) => {
  await using server = await stunServer('203.0.113.7')
  const addresses = await MediaAddresses.open({ config: { ...config, stunServer: server }, logger, rules })
  server.seen = null
  const asked = server.requests
  await until(() => server.requests > asked, 'a question')
  const from = performance.now()
  await addresses[Symbol.asyncDispose]()
  t.true(performance.now() - from < 500)
})

test('a lost request is sent again', async (t) => {
  await using server = await stunServer('203.0.113.7')
  server.answers = (request) =>
    server.requests < 3 ? [] : [message(0x0101, request, xorMapped('203.0.113.9', 1))]
  t.is((await askStun(server, '127.0.0.1', 5000, signal)).address, '203.0.113.9')
  t.is(server.requests, 3)
})

test('no answer is believed but that of the server to the question', async (t) => {
  await using server = await stunServer('203.0.113.7')
  await using other = await stunServer('198.51.100.66')
  const good = (request: Buffer) => message(0x0101, request, xorMapped('203.0.113.7', 1))
  server.answers = (request) => {
    const forged = Buffer.from(request)
    randomBytes(12).copy(forged, 8)
    return [
      Buffer.alloc(0),
      Buffer.alloc(1),
      randomBytes(20),
      request,
      message(0x0101, forged, xorMapped('198.51.100.66', 1)),
      good(request).subarray(0, -1),
      Buffer.concat([good(request), Buffer.alloc(4)]),
      good(request),
    ]
  }
  t.is((await askStun(server, '127.0.0.1', 5000, signal)).address, '203.0.113.7')
  // From another address: the socket takes none of it.
  server.answers = (request) => {
    const socket = createSocket('udp4')
    socket.send(message(0x0101, request, xorMapped('198.51.100.66', 1)), other.port, other.host, () =>
      socket.close(),
    )
    return [good(request)]
  }
  t.is((await askStun(server, '127.0.0.1', 5000, signal)).address, '203.0.113.7')
})

test('refusals and answers without an address are said', async (t) => {
  await using server = await stunServer(null)
  const rows: [Buffer[], RegExp][] = [
    [[attribute(0x0009, Buffer.from([0, 0, 4, 20]))], /error 420/],
    [[attribute(0x0009, Buffer.from([0]))], /without a code/],
  ]
  for (const [attributes, says] of rows) {
    server.answers = (request) => [message(0x0111, request, ...attributes)]
    await t.throwsAsync(askStun(server, '127.0.0.1', 2000, signal), { message: says })
  }
  for (const spoilt of [
    [],
    [attribute(0x0020, Buffer.from([0, 1, 0]))],
    [attribute(0x0020, Buffer.alloc(8, 9))],
  ]) {
    server.answers = (request) => [message(0x0101, request, ...spoilt)]
    await t.throwsAsync(askStun(server, '127.0.0.1', 2000, signal), { message: /holds no address/ })
  }
  await t.throwsAsync(askStun({ host: 'no.such.name.invalid', port: 3478 }, '127.0.0.1', 3000, signal), {
    code: 'stun_unanswered',
  })
})

for (const seen of ['0.0.0.0', '0.1.2.3', '224.0.0.1', '255.255.255.255'])
  test(`no machine has the address ${seen}, whatever a STUN server says`, async (t) => {
    await using server = await stunServer(seen)
    const asked = askStun(server, '127.0.0.1', 2000, new AbortController().signal)
    await t.throwsAsync(asked, { code: 'stun_unanswered', message: /no IPv4 address of a machine/ })
  })

test('addresses are read in the forms of RFC 5769 and RFC 3489', (t) => {
  // RFC 5769 sections 2.2 and 2.3: the mapped addresses of the sample responses.
  const id = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex')
  const request = bindingRequest(id)
  const v4 = attribute(0x0020, Buffer.from('0001a147e112a643', 'hex'))
  t.deepEqual(stunAnswer(message(0x0101, request, v4), request), { address: '192.0.2.1', port: 32853 })
  const v6 = attribute(0x0020, Buffer.from('0002a1470113a9faa5d3f179bc25f4b5bed2b9d9', 'hex'))
  t.deepEqual(stunAnswer(message(0x0101, request, v6), request), {
    address: '2001:db8:1234:5678:11:2233:4455:6677',
    port: 32853,
  })
  const old = attribute(0x0001, Buffer.from([0, 1, 0x12, 0x34, 192, 0, 2, 9]))
  t.deepEqual(stunAnswer(message(0x0101, request, old), request), { address: '192.0.2.9', port: 0x1234 })
})
