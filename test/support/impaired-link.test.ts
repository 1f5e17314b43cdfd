import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { openImpairedLink } from './impaired-link.ts'
import { Impairer, type Impairment, seededRandom, UNIMPAIRED } from './impairment.ts'
import { until } from './until.ts'

/** Due times of `count` packets of 1000 bytes, `everyMs` apart; null for a lost one. */
function run(impairment: Partial<Impairment>, count: number, everyMs = 1, seed = 1): (number[] | null)[] {
  const impairer = new Impairer({ ...UNIMPAIRED, ...impairment }, seededRandom(seed))
  return Array.from({ length: count }, (_, index) => {
    const due = impairer.judge(1000, index * everyMs)
    return due.length > 0 ? due : null
  })
}

const lost = (packets: readonly unknown[]): number => packets.filter((packet) => packet === null).length

test('uniform loss is as frequent as asked', (t) => {
  const share = lost(run({ loss: 0.1 }, 20_000)) / 20_000
  t.true(Math.abs(share - 0.1) < 0.01, String(share))
})

test('bursts are as frequent and as long as asked', (t) => {
  const packets = run({ burst: { enter: 0.01, leave: 0.2, loss: 1 } }, 100_000)
  const bursts = packets.filter((packet, index) => packet === null && packets[index - 1] !== null).length
  const share = lost(packets) / packets.length
  t.true(Math.abs(share - 0.01 / 0.21) < 0.008, String(share))
  t.true(Math.abs(lost(packets) / bursts - 5) < 0.5, String(lost(packets) / bursts))
})

test('the same seed impairs the same packets', (t) => {
  t.deepEqual(run({ loss: 0.3, jitterMs: 5 }, 500, 1, 7), run({ loss: 0.3, jitterMs: 5 }, 500, 1, 7))
  t.notDeepEqual(run({ loss: 0.3 }, 500, 1, 7), run({ loss: 0.3 }, 500, 1, 8))
})

test('jitter keeps the order, reordering does not', (t) => {
  const jittered = run({ delayMs: 10, jitterMs: 20 }, 1000).map((due) => due![0]!)
  t.deepEqual(
    jittered,
    jittered.toSorted((a, b) => a - b),
  )
  const reordered = run({ reorder: { rate: 0.1, extraMs: 5 } }, 1000).map((due) => due![0]!)
  const overtaken = reordered.filter((due, index) => due > (reordered[index + 1] ?? due)).length
  t.true(overtaken > 50 && overtaken < 150, String(overtaken))
})

test('a capped link delays up to its queue and drops the rest', (t) => {
  // 8 Mb/s offered to 4 Mb/s: half is dropped once the queue of 100 ms is full.
  const packets = run({ rateKbps: 4000, queueMs: 100 }, 2000)
  const waits = packets.flatMap((due, index) => (due ? [due[0]! - index] : []))
  t.true(Math.max(...waits) <= 103)
  const share = lost(packets.slice(500)) / 1500
  t.true(Math.abs(share - 0.5) < 0.02, String(share))
})

test('duplicates are as frequent as asked', (t) => {
  const doubled = run({ duplicate: 0.2 }, 5000).filter((due) => due?.length === 2).length
  t.true(Math.abs(doubled / 5000 - 0.2) < 0.02)
})

async function openEcho(): Promise<Socket> {
  const echo = createSocket('udp4')
  echo.on('message', (packet, from) => echo.send(packet, from.port, from.address))
  echo.bind(0, '127.0.0.1')
  await once(echo, 'listening')
  return echo
}

test('a real link delays both ways, tells clients apart, and changes while it runs', async (t) => {
  const echo = await openEcho()
  t.teardown(() => echo.close())
  await using link = await openImpairedLink({
    targetPort: echo.address().port,
    forward: { delayMs: 20 },
    backward: { delayMs: 10 },
  })
  const clients = [createSocket('udp4'), createSocket('udp4')]
  t.teardown(() => {
    for (const client of clients) client.close()
  })
  const trips: number[] = []
  const wrong: string[] = []
  clients.forEach((client, index) => {
    client.on('message', (packet) => {
      const [owner, sentAt] = packet.toString().split(' ')
      if (Number(owner) !== index) wrong.push(packet.toString())
      trips.push(performance.now() - Number(sentAt))
    })
  })
  const send = (): void => {
    clients.forEach((client, index) => {
      client.send(`${index} ${performance.now()}`, link.port, '127.0.0.1')
    })
  }
  for (let count = 0; count < 100; count++) {
    send()
    await delay(5)
  }
  await until(() => trips.length === 200, 'all echoes')
  t.deepEqual(wrong, [])
  const median = trips.toSorted((a, b) => a - b)[100]!
  t.log(`round trip of 30 ms: median ${median.toFixed(1)} ms`)
  t.true(median >= 29 && median < 35, String(median))

  await link.setBoth({ blackhole: true })
  send()
  await until(async () => (await link.counters()).forward.dropped === 2, 'two dropped')
  await link.set({})
  send()
  await until(() => trips.length === 202, 'echoes after the blackhole')
  t.like(await link.counters(), { forward: { received: 204, delivered: 202, dropped: 2 } })
})
