import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { percentile } from '../support/frame-reader.ts'
import type { Impairment } from '../support/impairment.ts'
import { type Bench, type BenchContext, rounded } from './bench.ts'
import { runInNamespace } from './namespaced.ts'
import { openRig, type WatchRig } from './watch-rig.ts'

interface Case {
  readonly name: string
  readonly seconds: number
  readonly rttMs: number
  readonly loss: number
  readonly impairment?: Partial<Impairment>
  /** Called half way through. */
  readonly midway?: (rig: WatchRig) => Promise<void>
}

const CASES: readonly Case[] = [
  { name: 'loopback', seconds: 30, rttMs: 0, loss: 0 },
  { name: 'focus-20ms-2pct', seconds: 60, rttMs: 40, loss: 0.02, impairment: { delayMs: 20, loss: 0.02 } },
  {
    name: 'link-cut',
    seconds: 20,
    rttMs: 0,
    loss: 0,
    impairment: {},
    midway: (rig) => rig.links[0]!.setBoth({ blackhole: true }),
  },
]

/** The field sender's agent behind two links with 20 ms and 2 % loss each way. */
const AGENT_PROGRAM = fileURLToPath(new URL('./agent/g2g-main.ts', import.meta.url))
const AGENT_SECONDS = 60

/** Jitter buffers and the decoder settle in the first seconds, which are not measured. */
const SETTLE_MS = 3000

/** Glass-to-glass: a wall clock drawn into each frame by the sender and read in Chromium. */
export const g2g: Bench = {
  about: 'glass-to-glass latency: a clock drawn into frames and read in Chromium',
  async run(context) {
    const cases: object[] = []
    for (const each of CASES) cases.push(await measure(each, context))
    const { progress, seconds = AGENT_SECONDS } = context
    cases.push(...(await runInNamespace(AGENT_PROGRAM, [String(seconds)], progress)))
    return { bench: 'g2g', cases }
  },
}

async function measure(each: Case, { progress, seconds = each.seconds }: BenchContext) {
  progress.say(`${each.name}: starting hub, sender and browser`)
  await using rig = await openRig(each.impairment ? { impairment: each.impairment } : {})
  const { reader } = await rig.watch()
  await delay(SETTLE_MS)
  await reader.take()
  for (let second = 0; second < seconds; second += 1) {
    progress.say(`${each.name}: ${second} of ${seconds} s`)
    if (second === Math.floor(seconds / 2)) await each.midway?.(rig)
    await delay(1000)
  }
  const reading = await reader.take()
  const at = (share: number) => rounded(percentile(reading.latenciesMs, share), 0)
  return {
    name: each.name,
    rtt_ms: each.rttMs,
    loss: each.loss,
    p50_ms: at(0.5),
    p95_ms: at(0.95),
    p99_ms: at(0.99),
    freezes: reading.freezesMs.length,
    frames: reading.latenciesMs.length,
  }
}
