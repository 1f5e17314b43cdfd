import test from 'ava'
import { BondKeeper } from '../../../agent/bond/bond-keeper.ts'
import type { BondReport } from '../../../agent/bond/bond-report.ts'
import { useOf } from '../../../agent/sender/link-use.ts'
import type { FlowContract } from '../../../common/wire/flow-contract.ts'
import { loadBatchedRist } from '../../../sfu/ingress/batched-rist.ts'
import { detourContract, sendByContract } from '../../support/detour-bench.ts'
import { openImpairedLink } from '../../support/impaired-link.ts'
import { countOf, listen, missing } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

// As in an ingress: librist alone asks a dead link for what it had.
loadBatchedRist()

/** A bond of two links under librist's own sender and receiver, and all that the keeper has decided, with its times. */
async function openBond(more: Partial<FlowContract>) {
  await using stack = new AsyncDisposableStack()
  const receiver = stack.use(await listen(2, { buffer: { minMs: 400, maxMs: 400 } }))
  const links = await Promise.all(
    receiver.ports.map((targetPort) =>
      openImpairedLink({ targetPort, forward: { delayMs: 20 }, backward: { delayMs: 20 } }),
    ),
  )
  for (const link of links) stack.use(link)
  const contract = detourContract(
    links.map(({ port }) => port),
    {
      detours: [],
      // Either link is taken to carry what the sender writes, which follows no bitrate.
      pacing: { target_kbps: 6000, max_kbps: 12_000, burst_ms: 40 },
      buffer: { start_ms: 400, min_ms: 400, max_ms: 400, rtt_multiple: 4 },
      ...more,
    },
  )
  const { sender } = stack.use(await sendByContract(contract, { hubUrl: 'http://127.0.0.1:9' }))
  const shares: { readonly at: number; readonly weights: ReadonlyMap<number, number> }[] = []
  const reports: BondReport[] = []
  const keeper = stack.use(
    new BondKeeper({
      sender: {
        get facts() {
          return sender.facts
        },
        setShares: (weights) => {
          shares.push({ at: performance.now(), weights })
          return sender.setShares(weights)
        },
        setPace: (kbps) => sender.setPace(kbps),
      },
      useOf,
      onReport: (report) => reports.push(report),
    }),
  )
  keeper.contract(contract)
  const owned = stack.move()
  return { receiver, links, shares, reports, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

test.serial(
  'a link that vanishes is left in 300 ms, nothing is lost, and the link carries again',
  async (t) => {
    await using bond = await openBond({ class: 'record' })
    const { receiver, links, shares, reports } = bond
    const stateOf = (link: number) => reports.at(-1)?.links[link]?.state
    const arrives = (link: number) => (receiver.stats.at(-1)?.links[link]?.received ?? 0) > 40
    await until(() => arrives(0) && arrives(1), 'both links carry')
    await links[0]!.setBoth({ blackhole: true })
    const at = performance.now()
    await until(() => shares.at(-1)?.weights.get(0) === 1, 'the link is left')
    const leftMs = shares.at(-1)!.at - at
    t.log(`left after ${Math.round(leftMs)} ms`)
    t.true(leftMs < 600, 'with room for a busy machine')
    await until(() => stateOf(0) === 'dead', 'the link counts as dead')
    t.is(shares.at(-1)!.weights.get(1), 60, 'the other link has everything')
    const from = receiver.chunks.length
    await until(() => receiver.chunks.length > from + 400, 'media goes on over the other link')
    await links[0]!.setBoth({ delayMs: 20 })
    await until(() => stateOf(0) === 'probing', 'the link is tried', 15_000)
    await until(() => stateOf(0) === 'carrying' && arrives(0), 'the link carries again', 15_000)
    t.true(missing(receiver.chunks) <= 2, `${missing(receiver.chunks)} packets are missing`)
    const numbers = receiver.chunks.map(countOf)
    t.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      'in their order',
    )
  },
)

test.serial('where all packets have copies a link that vanishes costs nothing', async (t) => {
  await using bond = await openBond({ class: 'focus' })
  const { receiver, links, reports } = bond
  const arrives = (link: number) => (receiver.stats.at(-1)?.links[link]?.received ?? 0) > 150
  await until(() => arrives(0) && arrives(1), 'both links carry everything')
  await links[1]!.setBoth({ blackhole: true })
  await until(() => reports.at(-1)?.links[1]?.state === 'dead', 'the link counts as dead')
  const from = receiver.chunks.length
  await until(() => receiver.chunks.length > from + 200, 'media goes on')
  t.is(missing(receiver.chunks), 0)
})
