import { setTimeout as delay } from 'node:timers/promises'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import { detourContract } from '../support/detour-bench.ts'
import { PlayedTrace } from '../support/link-traces/link-trace.ts'
import { until } from '../support/until.ts'
import { type Bench, type BenchContext, rounded } from './bench.ts'
import { BondLinks } from './bond/bond-links.ts'
import { BondReception } from './bond/bond-reception.ts'
import { type BondSide, openOurs, openPeer } from './bond/bond-sides.ts'
import { BOND_TRACE, VANISHES } from './bond/bond-trace.ts'

/** As class `record` has it at most. */
const BUFFER_MS = 800
/** Both encoders begin with this, kb/s; that of the peer stays there: half of what three good links carry. */
const START_KBPS = 4000
const CONTRACT = {
  detours: [],
  buffer: { start_ms: BUFFER_MS, min_ms: 300, max_ms: BUFFER_MS, rtt_multiple: 6 },
  pacing: { target_kbps: START_KBPS, max_kbps: 12_000, burst_ms: 40 },
  abr: { min_kbps: 300, start_kbps: START_KBPS, max_kbps: 8000 },
}
/** The hub's word takes this long to the sender, ms. */
const NEWS_WAY_MS = 40
/** Before the trace begins, media flows for so long, ms. */
const SETTLE_MS = 3000

const NAMES = BOND_TRACE.links.map(({ name }) => name)

const contractFor = (ports: readonly number[]): FlowContract => ({
  ...detourContract(ports, CONTRACT),
  endpoints: ports.map((port, index) => ({
    node_id: 'hub',
    address: '127.0.0.1',
    port,
    ...(NAMES[index] !== undefined && { link: NAMES[index] }),
  })),
  overlay: {
    path: ['hub'],
    edge: 'hub',
    bindings: NAMES.map((link_id) => ({ link_id, node_id: 'hub', weight: 33 })),
  },
})

type Open = (ports: readonly number[]) => Promise<BondSide>

/** Three links in trouble under our sender, which follows them, and under one whose weights and bitrate stay. */
export const bond: Bench = {
  about: 'three links in trouble: our weights and bitrate against ristsender and a fixed bitrate',
  async run({ progress, seconds = 120 }) {
    const run = (name: string, open: Open) => play(name, open, seconds, progress)
    const adaptive = await run('adaptive', (ports) => openOurs(contractFor(ports)))
    const fixed = await run('static', (ports) => openPeer(ports, START_KBPS, BUFFER_MS))
    return { bench: 'bond', seconds, adaptive, static: fixed }
  },
}

async function play(name: string, open: Open, seconds: number, progress: BenchContext['progress']) {
  let side: BondSide | null = null
  const trace = new PlayedTrace(BOND_TRACE)
  const later = (work: () => void): void => void setTimeout(work, NEWS_WAY_MS)
  await using reception = await BondReception.open(NAMES.length, BUFFER_MS, {
    keyframeNeeded: () => later(() => side?.keyframeNeeded()),
    arrived: (packets) => later(() => side?.arrived(packets)),
  })
  await using links = await BondLinks.open(trace, reception.ports)
  await using opened = await open(links.ports)
  side = opened
  await until(() => reception.counts.bytes > 200_000, 'media arrives', 20_000)
  await delay(SETTLE_MS)
  reception.reset()
  links.start()
  const startedAt = performance.now()
  for (let second = 1; second <= seconds; second += 1) {
    await delay(startedAt + second * 1000 - performance.now())
    const { lost, frozenMs } = reception.counts
    progress.say(
      `${name}: ${second} of ${seconds} s, ${lost} lost, ${Math.round(frozenMs)} ms frozen ${side.view}`,
    )
  }
  const { delivered, lost, bytes, frozenMs, deaths } = reception.counts
  const meanKbps = (bytes * 8) / 1000 / seconds
  const offered = links.offeredKbps(seconds, BUFFER_MS / 2)
  return {
    residual_loss_pct: rounded((100 * lost) / Math.max(1, delivered + lost), 3),
    frozen_ms: Math.round(frozenMs),
    mean_kbps: Math.round(meanKbps),
    utilisation: rounded(meanKbps / offered, 3),
    receiver_deaths: deaths,
    link_down_ms:
      seconds * 1000 > VANISHES.atMs + 2000 ? links.leftAfterMs(VANISHES.link, VANISHES.atMs) : null,
  }
}
