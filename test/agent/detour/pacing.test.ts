import test from 'ava'
import { DatagramQueue } from '../../../agent/detour/datagram-queue.ts'
import { LinkStats } from '../../../agent/detour/link-stats.ts'
import { LinkWay } from '../../../agent/detour/link-way.ts'
import { MessageLag } from '../../../agent/detour/message-lag.ts'
import type { SenderLinkStats } from '../../../agent/sender/bonded-sender.ts'

const datagram = (name: string) => Buffer.from(name)
const names = (queue: DatagramQueue, nowMs: number): string[] => {
  const taken: string[] = []
  for (let next = queue.peek(nowMs); next; next = queue.peek(nowMs)) {
    taken.push(Buffer.from(next.datagram).toString())
    queue.take()
  }
  return taken
}

test('datagrams leave in their order, and those that are too old are dropped, oldest first', (t) => {
  const queue = new DatagramQueue(100)
  queue.push(0, datagram('a'), 0)
  queue.push(1, datagram('b'), 50)
  queue.push(0, datagram('c'), 140)
  t.is(queue.dropped, 1)
  t.deepEqual(names(queue, 150), ['b', 'c'])
  t.true(queue.empty)
  queue.push(0, datagram('d'), 200)
  t.deepEqual(names(queue, 301), [])
  t.is(queue.dropped, 2)
})

test('a queue that nobody empties holds 4 MiB at most, whatever the age', (t) => {
  const queue = new DatagramQueue(60_000)
  const big = Buffer.alloc(1400)
  for (let count = 0; count < 10_000; count += 1) queue.push(0, big, 0)
  t.true(queue.dropped > 6000)
  let bytes = 0
  for (let next = queue.peek(0); next; next = queue.peek(0)) {
    bytes += next.datagram.length
    queue.take()
  }
  t.true(bytes > 4_000_000 && bytes <= 4 * 1024 * 1024)
})

test('a way is congested when messages take longer than the fastest one by more than is allowed', (t) => {
  const lag = new MessageLag(50)
  t.false(lag.congested(0))
  lag.sent(0)
  lag.sent(10)
  t.is(lag.owedSince, 0)
  lag.answered(0, 40)
  t.is(lag.owedSince, 10)
  t.false(lag.congested(100))
  t.true(lag.congested(110))
  lag.answered(10, 110)
  t.is(lag.owedSince, null)
  t.false(lag.congested(10_000))
})

test('an answer stands for all messages up to it, and clocks wrap at 2^32', (t) => {
  const lag = new MessageLag(50)
  const wrap = 2 ** 32
  for (const at of [wrap - 20, wrap - 10, wrap + 5.7]) lag.sent(at)
  lag.answered((wrap - 10) >>> 0, wrap + 10)
  t.is(lag.owedSince, wrap + 5.7)
  lag.answered(0, wrap + 11)
  t.is(lag.owedSince, wrap + 5.7)
  lag.answered(5, wrap + 12)
  t.is(lag.owedSince, null)
})

test('a longer way is no congestion for ever: the fastest message is forgotten after half a minute', (t) => {
  const lag = new MessageLag(50)
  lag.sent(0)
  lag.answered(0, 10)
  for (let at = 1000; at < 40_000; at += 1000) {
    lag.sent(at)
    lag.answered(at, at + 200)
  }
  lag.sent(50_000)
  t.false(lag.congested(50_200))
})

test('a link takes the detour when UDP never answers, or answers no more', (t) => {
  const never = new LinkWay(0)
  t.false(never.takesDetour(1999))
  t.true(never.takesDetour(2000))

  const lost = new LinkWay(0)
  lost.observe(true, 100)
  t.false(lost.takesDetour(5000))
  lost.observe(false, 6000)
  t.true(lost.takesDetour(6000))
})

test('UDP that is back must last, and longer each time that it fails again', (t) => {
  const way = new LinkWay(0)
  way.observe(true, 0)
  let now = 1000
  for (const trustMs of [5000, 10_000, 20_000, 40_000, 80_000, 120_000, 120_000]) {
    way.observe(false, now)
    t.true(way.takesDetour(now))
    way.observe(true, now + 100)
    t.true(way.takesDetour(now + 100 + trustMs - 1), `${trustMs}`)
    // Fails once more before it is trusted.
    now += 100 + trustMs
  }
  way.observe(false, now)
  way.observe(true, now)
  t.true(way.takesDetour(now + 119_999))
  t.false(way.takesDetour(now + 120_000))
})

test('the statistics of a link join those of its detour', (t) => {
  const one = (more: Partial<SenderLinkStats>): SenderLinkStats => ({
    ...{ link: 0, alive: false, rttMs: 0, sent: 10, retransmitted: 1, bitrateKbps: 5 },
    ...more,
  })
  const joined = new LinkStats(2)
  t.is(joined.take(one({ link: 3, alive: true, rttMs: 80, bitrateKbps: 900 }), 'udp'), null)
  t.deepEqual(
    joined.take(one({ link: 1 }), 'udp'),
    one({ link: 1, alive: true, sent: 20, retransmitted: 2, bitrateKbps: 905 }),
  )
  // librist says nothing of a link that is dead.
  t.deepEqual(
    joined.take(one({ link: 3, alive: true, rttMs: 80, bitrateKbps: 900 }), 'wss'),
    one({ link: 1, alive: true, rttMs: 80, sent: 20, retransmitted: 2, bitrateKbps: 905 }),
  )
  t.deepEqual(
    joined.take(one({ link: 3, alive: true, rttMs: 81, bitrateKbps: 950 }), 'wss'),
    one({ link: 1, alive: true, rttMs: 81, bitrateKbps: 950 }),
  )
})
