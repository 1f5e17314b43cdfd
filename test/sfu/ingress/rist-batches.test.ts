import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { loadRist } from '../../../common/rist/librist.ts'
import { BATCHED_RIST, loadBatchedRist } from '../../../sfu/ingress/batched-rist.ts'
import { openImpairedLink } from '../../support/impaired-link.ts'
import { listen, missing, sendCounting } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

// Whatever holds for a receiver holds for one with batches. This registers all tests of that file here too.
delete process.env.LANECAST_BATCHED_RIST
const whyNot = loadBatchedRist()
await import('./rist-receiver.test.ts')

const received = () => Number(loadRist().batches?.received())

test('librist is loaded with batches, and its packets come through them', async (t) => {
  t.is(whyNot, null)
  t.not(loadRist().batches, null, `set-up did not provide ${BATCHED_RIST}`)
  const before = received()
  await using receiver = await listen(2)
  await using _sender = await sendCounting(receiver.ports)
  await until(() => receiver.chunks.length > 100, 'data')
  t.true(received() - before > 200)
})

test('packets of many sizes arrive byte for byte', async (t) => {
  await using receiver = await listen(1)
  await using link = await openImpairedLink({ targetPort: receiver.ports[0]! })
  await using sender = await sendCounting([link.port])
  await until(() => receiver.chunks.length > 20, 'data')
  sender.pause()
  const wanted = Array.from({ length: 300 }, (_, index) => {
    const packet = Buffer.alloc(1 + ((index * 37) % 1316))
    for (let at = 0; at < packet.length; at++) packet[at] = (at * 31 + index) & 0xff
    return packet
  })
  const first = receiver.chunks.length
  for (const packet of wanted) sender.sender.write(packet)
  await until(() => receiver.chunks.at(-1)?.equals(wanted.at(-1)!) === true, 'the last packet')
  const chunks = receiver.chunks.slice(first).filter((chunk) => chunk.length !== 7 * 188 || chunk[0] !== 0x47)
  t.deepEqual(
    chunks.map((chunk) => chunk.toString('hex')),
    wanted.map((packet) => packet.toString('hex')),
  )
})

test('a link on which authentication fails, because it is too slow, costs no process, and comes back', async (t) => {
  t.timeout(120_000)
  await using receiver = await listen(2, { buffer: { minMs: 800, maxMs: 800 } })
  await using fast = await openImpairedLink({ targetPort: receiver.ports[0]! })
  await using slow = await openImpairedLink({ targetPort: receiver.ports[1]! })
  await using sender = await sendCounting([fast.port, slow.port], { bufferMs: 800 })
  const carries = (link: number) => (receiver.stats.at(-1)?.links[link]?.received ?? 0) > 100
  await until(() => carries(0) && carries(1), 'both links carry')
  // librist asks anew every few seconds, and waits for 500 ms.
  await slow.setBoth({ delayMs: 600 })
  const failed = () => receiver.lines.some((line) => line.includes('Authentication failed'))
  await until(failed, 'an authentication fails', 60_000)
  const from = receiver.chunks.length
  await until(() => receiver.chunks.length > from + 1000, 'data goes on over the other link', 20_000)
  await slow.setBoth({ delayMs: 0 })
  await until(() => carries(1), 'the link carries again', 40_000)
  t.is(missing(receiver.chunks), 0)
  t.true(sender.written > 0)
})

/** What a dead link had on its way, and what its sender gave it until it noticed, as the bond does in 300 ms. */
test('packets of a link that dies are asked for by the other', async (t) => {
  const bufferMs = 300
  await using receiver = await listen(2, { buffer: { minMs: bufferMs, maxMs: bufferMs } })
  // librist asks by the link with the shorter round trip.
  const delayed = (delayMs: number) => ({ forward: { delayMs }, backward: { delayMs } })
  await using near = await openImpairedLink({ targetPort: receiver.ports[0]!, ...delayed(10) })
  await using far = await openImpairedLink({ targetPort: receiver.ports[1]!, ...delayed(25) })
  await using sender = await sendCounting([near.port, far.port], { mode: 'share', bufferMs })
  const carries = (link: number) => (receiver.stats.at(-1)?.links[link]?.received ?? 0) > 50
  await until(() => carries(0) && carries(1), 'both links carry')
  const before = receiver.chunks.length
  await near.setBoth({ blackhole: true })
  await delay(300)
  await sender.sender.closeLink(0)
  await until(() => receiver.chunks.length > before + 600, 'data goes on')
  const lost = missing(receiver.chunks.slice(Math.max(0, before - 100)))
  t.log(`${lost} packets lost`)
  // librist alone asks by the dead link until it notices, and loses all that the link had: about 30.
  t.true(lost <= 10)
})
