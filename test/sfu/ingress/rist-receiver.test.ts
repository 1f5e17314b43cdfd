import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { openImpairedLink } from '../../support/impaired-link.ts'
import { countOf, idOf, listen, missing, RIST_SECRETS, sendCounting } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

test('two duplicated links deliver one stream, complete and in order', async (t) => {
  await using receiver = await listen(2)
  await using sender = await sendCounting(receiver.ports)
  await until(() => receiver.stats.length >= 2 && receiver.chunks.length > 300, 'two seconds of data')
  t.is(missing(receiver.chunks), 0)
  const numbers = receiver.chunks.map(countOf)
  t.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  )
  t.true(receiver.chunks.every((chunk) => chunk.length === 7 * 188 && idOf(chunk) === sender.id))
  t.deepEqual(receiver.events, [{ type: 'connected', flowId: sender.sender.flowId }])
  const stats = receiver.stats.at(-1)!
  t.is(stats.flowId, sender.sender.flowId)
  t.is(stats.quality, 100)
  t.deepEqual(
    stats.links.map((link) => [link.port, link.cname, link.alive]),
    receiver.ports.map((port, index) => [port, `uplink-${index}`, true]),
  )
  t.true(stats.links.every((link) => link.received > 100 && link.bitrateKbps > 500))
})

test('what librist logs never shows a secret', async (t) => {
  const senderLines: string[] = []
  await using receiver = await listen(1)
  await using _sender = await sendCounting(receiver.ports, {
    onLog: (line) => senderLines.push(line.message),
  })
  await until(() => receiver.chunks.length > 10, 'data')
  const text = [...receiver.lines, ...senderLines].join('\n')
  t.true(text.includes('Successfully authenticated'))
  for (const secret of [RIST_SECRETS.passphrase, RIST_SECRETS.username, RIST_SECRETS.password]) {
    t.false(text.includes(secret))
  }
})

test('sharing by weight spreads the packets, and weights change while the stream runs', async (t) => {
  await using receiver = await listen(2)
  await using sender = await sendCounting(receiver.ports, { mode: 'share' })
  const share = (): number => {
    const [first, second] = receiver.stats.at(-1)?.links ?? []
    return first && second ? first.received / (first.received + second.received) : Number.NaN
  }
  await until(() => receiver.stats.length >= 2 && share() > 0.4 && share() < 0.6, 'an even share')
  await sender.sender.setWeight(0, 20)
  await until(() => share() < 0.25, 'a smaller share for the first link')
  t.is(missing(receiver.chunks), 0)
  await t.throwsAsync(sender.sender.setWeight(0, 0), { code: 'rist_weight_invalid' })
})

test('losing one of two duplicated links loses no packet', async (t) => {
  await using receiver = await listen(2)
  await using cut = await openImpairedLink({ targetPort: receiver.ports[0]! })
  await using _sender = await sendCounting([cut.port, receiver.ports[1]!])
  await until(() => receiver.chunks.length > 100, 'data')
  await cut.setBoth({ blackhole: true })
  const before = receiver.chunks.length
  await until(() => receiver.stats.at(-1)?.links[0]?.alive === false, 'the cut link reported')
  await until(() => receiver.chunks.length > before + 200, 'data after the cut')
  t.is(missing(receiver.chunks), 0)
  t.deepEqual(
    receiver.events.map((event) => event.type),
    ['connected'],
  )
})

test('retransmission repairs 5 % loss at 20 ms each way', async (t) => {
  // Time for five requests: of three one packet in 160,000 would be missing for good, once in some hundred runs.
  await using receiver = await listen(1, { buffer: { minMs: 300, maxMs: 300 } })
  await using link = await openImpairedLink({
    targetPort: receiver.ports[0]!,
    forward: { delayMs: 20, loss: 0.05 },
    backward: { delayMs: 20 },
  })
  await using _sender = await sendCounting([link.port], { bufferMs: 400 })
  await until(() => receiver.chunks.length > 600, '3 s of data')
  t.is(missing(receiver.chunks), 0)
  t.true(receiver.stats.reduce((sum, stats) => sum + stats.recovered, 0) > 5)
})

test('a second sender is refused and does not disturb the first', async (t) => {
  await using receiver = await listen(2)
  await using first = await sendCounting(receiver.ports)
  await until(() => receiver.chunks.length > 50, 'data of the first')
  await using _second = await sendCounting(receiver.ports)
  await until(() => receiver.reasons().includes('second_sender'), 'the second refused')
  const before = receiver.chunks.length
  await until(() => receiver.chunks.length > before + 200, 'more data of the first')
  t.true(receiver.chunks.every((chunk) => idOf(chunk) === first.id))
  t.is(missing(receiver.chunks), 0)
})

test('a restarted sender is taken over at once', async (t) => {
  await using receiver = await listen(2)
  const first = await sendCounting(receiver.ports)
  await until(() => receiver.chunks.length > 50, 'data of the first')
  await first[Symbol.asyncDispose]()
  const restarted = performance.now()
  await using second = await sendCounting(receiver.ports)
  await until(() => receiver.chunks.some((chunk) => idOf(chunk) === second.id), 'data of the second')
  const took = performance.now() - restarted
  t.log(`first data ${Math.round(took)} ms after the restart`)
  t.true(took < 1000, `${took} ms`)
  t.like(receiver.events.at(-1), { type: 'replaced', flowId: second.sender.flowId })
  t.deepEqual(
    receiver.reasons().filter((reason) => reason !== 'second_sender'),
    [],
  )
})

test('a sender restarted behind the same source port is taken over too', async (t) => {
  await using receiver = await listen(1)
  await using link = await openImpairedLink({ targetPort: receiver.ports[0]!, oneSource: true })
  const first = await sendCounting([link.port])
  await until(() => receiver.chunks.length > 50, 'data of the first')
  await first[Symbol.asyncDispose]()
  const restarted = performance.now()
  await using second = await sendCounting([link.port])
  await until(() => receiver.chunks.some((chunk) => idOf(chunk) === second.id), 'data of the second')
  const took = performance.now() - restarted
  t.log(`first data ${Math.round(took)} ms after the restart`)
  // librist 0.2.7 lets it in at its old peer's next re-authentication, every 3 s.
  t.true(took < 4000, `${took} ms`)
})

test('a restarted receiver has its sender back soon', async (t) => {
  const first = await listen(2)
  await using sender = await sendCounting(first.ports)
  await until(() => first.chunks.length > 50, 'data')
  await first[Symbol.asyncDispose]()
  await delay(300)
  const reopened = performance.now()
  await using second = await listen(2, { links: first.ports.map((port) => ({ port })) })
  await until(() => second.chunks.length > 0, 'data at the second')
  const took = performance.now() - reopened
  t.log(`first data ${Math.round(took)} ms after the restart`)
  t.true(took < 1500, `${took} ms`)
  t.is(idOf(second.chunks[0]!), sender.id)
})

test('a silent stream is reported lost, and its return too', async (t) => {
  await using receiver = await listen(1)
  await using link = await openImpairedLink({ targetPort: receiver.ports[0]! })
  await using _sender = await sendCounting([link.port])
  await until(() => receiver.chunks.length > 50, 'data')
  await link.setBoth({ blackhole: true })
  const cut = performance.now()
  await until(() => receiver.events.at(-1)?.type === 'lost', 'lost reported')
  t.true(performance.now() - cut < 2000)
  await delay(1000)
  await link.setBoth({})
  await until(() => receiver.events.at(-1)?.type === 'returned', 'return reported')
})

test('a sender of one packet every 1.3 s is not lost between two, but soon when it is gone', async (t) => {
  await using receiver = await listen(1)
  await using resources = new AsyncDisposableStack()
  const slow = resources.use(await sendCounting(receiver.ports))
  slow.pause()
  const packet = Buffer.alloc(1316)
  for (let at = 0; at < packet.length; at += 188) packet[at] = 0x47
  for (let count = 0; count < 5; count++) {
    slow.sender.write(packet)
    await delay(1300)
  }
  t.deepEqual(
    receiver.events.map(({ type }) => type),
    ['connected'],
  )
  await resources.disposeAsync()
  const left = performance.now()
  await until(() => receiver.events.at(-1)?.type === 'lost', 'lost')
  const tookMs = performance.now() - left
  t.log(`lost ${tookMs.toFixed()} ms after it left`)
  t.true(tookMs < 4000)
})

test('a port that is taken is a clear error', async (t) => {
  await using receiver = await listen(1)
  const [port] = receiver.ports
  await t.throwsAsync(listen(1, { links: [{ port: port! }] }), {
    code: 'rist_port_unavailable',
  })
})
