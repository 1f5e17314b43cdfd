import test from 'ava'
import type { Via } from '../../../common/wire/flow-contract.ts'
import { detourContract, openDoor, openUdpGate, sendByContract } from '../../support/detour-bench.ts'
import { countOf, listen } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

/** The largest time between two chunks that arrived after `from`, ms. */
function longestGap(times: readonly number[], from: number): number {
  const later = times.filter((at) => at >= from)
  return Math.max(0, ...later.slice(1).map((at, index) => at - later[index]!))
}

test.serial(
  'a link where UDP never gets through takes the WebSocket, and the other link stays',
  async (t) => {
    await using receiver = await listen(2, { buffer: { minMs: 200, maxMs: 200 } })
    await using door = await openDoor({ ports: receiver.ports })
    using shut = await openUdpGate(receiver.ports[0]!, false)
    const ways: ReadonlyMap<number, Via>[] = []
    await using _sender = await sendByContract(detourContract([shut.port, receiver.ports[1]!]), {
      hubUrl: door.url,
      onWays: (now) => ways.push(now),
    })
    await until(() => ways.at(-1)?.get(0) === 'wss', 'the first link takes the detour')
    t.is(ways.at(-1)!.get(1), 'udp')
    const both = () => receiver.stats.at(-1)?.links.every((link) => link.received > 20)
    await until(both, 'both links carry their share')
    t.deepEqual(receiver.reasons(), [])
    t.true(door.counts.received > 0 && door.counts.sent > 0)
  },
)

test.serial(
  'a sender that loses UDP goes on over the WebSocket, and back when UDP is there again',
  async (t) => {
    const arrived: number[] = []
    const counts: number[] = []
    await using receiver = await listen(1, {
      buffer: { minMs: 200, maxMs: 200 },
      onData: (chunk) => {
        arrived.push(performance.now())
        counts.push(countOf(chunk))
      },
    })
    await using door = await openDoor({ ports: receiver.ports })
    using gate = await openUdpGate(receiver.ports[0]!, true)
    const ways: (Via | undefined)[] = []
    await using _sender = await sendByContract(detourContract([gate.port]), {
      hubUrl: door.url,
      onWays: (now) => ways.push(now.get(0)),
    })
    await until(() => arrived.length > 200, 'a second over UDP')
    t.is(door.door.connections, 0)

    const lostAt = performance.now()
    gate.open = false
    await until(() => ways.at(-1) === 'wss', 'the detour is taken')
    const before = arrived.length
    await until(() => arrived.length > before + 400, 'two seconds over the detour')
    const gapMs = longestGap(arrived, lostAt - 100)
    t.log(`silent for ${Math.round(gapMs)} ms`)
    t.true(gapMs < 4000)

    gate.open = true
    const backAt = performance.now()
    await until(() => ways.at(-1) === 'udp', 'UDP is taken again', 60_000)
    const after = arrived.length
    await until(() => arrived.length > after + 400, 'two seconds over UDP')
    t.is(door.door.connections, 0)
    const backGapMs = longestGap(arrived, backAt)
    const later = counts.slice(arrived.findIndex((at) => at >= backAt))
    const lost = later.at(-1)! - later[0]! + 1 - new Set(later).size
    t.log(`on the way back silent for ${Math.round(backGapMs)} ms, ${lost} packets lost`)
    t.true(backGapMs < 500)
  },
)
