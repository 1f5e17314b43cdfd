import test from 'ava'
import { RebindingNat } from '../../support/rebinding-nat.ts'
import { countOf, listen, sendCounting } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

/** The time in which a link with a new source address is taken over: librist authenticates it anew. */
const TAKEN_OVER_MS = 1000

/** The longest time between two packets of this stream, ms. */
function gaps(at: readonly number[]): number {
  return Math.max(0, ...at.slice(1).map((time, index) => time - at[index]!))
}

for (const links of [1, 2] as const)
  test(`a link of ${links} whose source address changes is taken over under the same flow`, async (t) => {
    const at: number[] = []
    const counts: number[] = []
    await using receiver = await listen(links, {
      buffer: { minMs: 200, maxMs: 200 },
      onData: (chunk) => {
        at.push(performance.now())
        counts.push(countOf(chunk))
      },
    })
    using nat = await RebindingNat.open(receiver.ports[0]!)
    const ports = [nat.port, ...receiver.ports.slice(1)]
    await using sender = await sendCounting(ports)
    await until(() => counts.length > 300, 'the stream arrives')
    for (const round of [1, 2, 3]) {
      const before = nat.mapped
      const from = counts.length
      await nat.rebind()
      t.not(nat.mapped, before)
      await until(() => counts.length > from + 500, 'the stream goes on')
      const longest = gaps(at.slice(from))
      t.log(`round ${round}: at most ${longest.toFixed()} ms between two packets`)
      t.true(longest < TAKEN_OVER_MS)
    }
    t.deepEqual(
      receiver.events.map(({ type }) => type),
      ['connected'],
      'it is one flow all the time',
    )
    t.deepEqual(receiver.reasons(), [])
    // The other link carries what the first one lost.
    if (links === 2) t.is(counts.at(-1)! - counts[0]! + 1, new Set(counts).size, 'nothing is missing')
    t.true(sender.written > 1000)
  })
