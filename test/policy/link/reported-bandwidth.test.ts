import test from 'ava'
import {
  type DeliveryReport,
  estimateFromReport,
  freshBandwidth,
  type ReportedBandwidth,
} from '../../../policy/link/reported-bandwidth.ts'

/** A link of this bitrate behind a queue: excess packets wait, and are lost when they wait too long. */
function link(kbps: number, rttMs = 20) {
  let queuedKbit = 0
  return (sentKbps: number): DeliveryReport => {
    queuedKbit = Math.max(0, queuedKbit + sentKbps - kbps)
    const most = kbps * 0.5
    const loss = queuedKbit > most ? Math.min(1, (queuedKbit - most) / Math.max(1, sentKbps)) : 0
    queuedKbit = Math.min(queuedKbit, most)
    return { sentKbps, loss, resent: 0, rttMs: rttMs + (queuedKbit / kbps) * 1000 }
  }
}

const LAYERS = [150, 500, 1700]
const layerFor = (available: number) => LAYERS.findLast((kbps) => kbps <= available * 0.9) ?? LAYERS[0]!

const goalAbove = (sent: number) => {
  const next = LAYERS.find((kbps) => kbps > sent)
  return next === undefined ? null : (next * 1.1) / 0.9
}

/** What is sent second by second, when the highest layer that fits the estimate is. */
function play(
  seconds: number,
  over: ReturnType<typeof link>,
  from: ReportedBandwidth = freshBandwidth(1000),
) {
  let memory = from
  const sent: number[] = []
  for (let second = 0; second < seconds; second++) {
    const kbps = layerFor(memory.availableKbps)
    sent.push(kbps)
    memory = estimateFromReport(memory, over(kbps), 1000, second * 1000, goalAbove(kbps))
  }
  return { sent, memory }
}

test('on a link with room it comes to the highest layer, and stays there', (t) => {
  const { sent } = play(40, link(6000))
  t.true(sent.indexOf(1700) < 15, sent.join(' '))
  t.true(sent.slice(15).every((kbps) => kbps === 1700))
})

test('on a narrow link it comes to the layer that fits within seconds, and tries the next ever more rarely', (t) => {
  const { sent } = play(180, link(800))
  t.true(sent.slice(0, 3).includes(500))
  const tries = sent.flatMap((kbps, second) => (kbps === 1700 && sent[second - 1] !== 1700 ? [second] : []))
  const too = sent.filter((kbps) => kbps === 1700).length
  t.true(too < 180 * 0.15, `${too} s above what fits, begun at ${tries.join(' ')}`)
  const waits = tries.slice(1).map((second, index) => second - tries[index]!)
  t.true(waits.length >= 2 && waits.at(-1)! > waits[0]!, waits.join(' '))
})

test('a link that becomes narrow is left to drain, and one that widens is used again', (t) => {
  const wide = play(30, link(6000))
  const narrow = play(20, link(400), wide.memory)
  t.true(narrow.sent.indexOf(150) >= 0 && narrow.sent.indexOf(150) < 4, narrow.sent.join(' '))
  const again = play(60, link(6000), { ...narrow.memory, holdUntil: 5000 })
  t.is(again.sent.at(-1), 1700, again.sent.join(' '))
})

test('one late report is no queue', (t) => {
  const { memory } = play(10, link(6000))
  const late = { sentKbps: 1700, loss: 0, resent: 0, rttMs: 400 }
  const once = estimateFromReport(memory, late, 1000, 11_000, null)
  t.is(once.availableKbps, memory.availableKbps)
  const twice = estimateFromReport(once, late, 1000, 12_000, null)
  t.true(twice.availableKbps < memory.availableKbps)
})

test('a next layer of many times the present bitrate is tried, too', (t) => {
  let memory = { ...freshBandwidth(400), holdUntil: 0 }
  for (let second = 0; second < 20; second++)
    memory = estimateFromReport(
      memory,
      { sentKbps: 350, loss: 0, resent: 0, rttMs: 20 },
      1000,
      second * 1000,
      2600,
    )
  t.is(memory.availableKbps, 2600)
})

test('a full link shows in retransmissions, where everything arrives in the end', (t) => {
  const full = { sentKbps: 450, loss: 0, resent: 0.6, rttMs: 290 }
  const narrow = estimateFromReport(freshBandwidth(2500), full, 1000, 1000, null)
  t.true(narrow.availableKbps < 250 && narrow.availableKbps > 150, `${narrow.availableKbps}`)
  // The next reports are still about what was sent before.
  t.is(estimateFromReport(narrow, full, 1000, 2000, 200).availableKbps, narrow.availableKbps)
  const still = estimateFromReport(narrow, { ...full, sentKbps: 180 }, 1000, 3000, 200)
  t.true(still.availableKbps < narrow.availableKbps)
  const repaired = { sentKbps: 450, loss: 0.01, resent: 0.06, rttMs: 40 }
  t.is(estimateFromReport(freshBandwidth(2500), repaired, 1000, 1000, null).availableKbps, 2500)
})
