import type { Latency, LatencyStage } from '../common/wire/flow-contract.ts'
import type { ClassProfile } from './classes.ts'

type StageSource = Latency['stages'][number]['source']

export interface Stage {
  readonly ms: number
  readonly source: StageSource
}

/** Defaults for stages that nobody measured, ms: hardware or zero-latency encoding, and a browser's playout. */
const DEFAULT_ENCODE_MS = 10
const DEFAULT_PLAYOUT_MS = 26
/** Playout with the `playout-delay` extension at 0/0. */
const IMMEDIATE_PLAYOUT_MS = 1
/** Demultiplexing, packetizing and forwarding where media enters, and the passing on at each further node. */
const ENTRY_MS = 4
const PASS_MS = 2

export interface BudgetFacts {
  readonly profile: ClassProfile
  /** Measured on this flow, ms; a measurement beats every default. */
  readonly measured: Partial<Readonly<Record<LatencyStage, number>>>
  /** Latency of the way into the overlay; null unless the flow is a viewer's. */
  readonly upstream: Latency | null
  /** Recovery buffer of this leg, ms. */
  readonly bufferMs: number
  /** One-way delay of the path's links together. */
  readonly oneWay: Stage
  /** Nodes after the first node that pass media on. */
  readonly passes: number
  /** The leg begins outside the overlay: encoding and entry are part of it. */
  readonly entering: boolean
}

/** Adds up the way from camera to screen. */
export function estimateLatency(facts: BudgetFacts): Latency {
  const { profile, upstream, entering } = facts
  const before = (stage: LatencyStage) => upstream?.stages.find((each) => each.stage === stage)
  const playout = profile.playoutDelayMs?.max === 0 ? IMMEDIATE_PLAYOUT_MS : DEFAULT_PLAYOUT_MS
  const viewed: Readonly<Record<LatencyStage, Stage>> = {
    encode: before('encode') ?? { ms: DEFAULT_ENCODE_MS, source: 'default' },
    buffer: entering
      ? { ms: facts.bufferMs, source: 'computed' }
      : plus(before('buffer') ?? { ms: profile.ristBuffer.minMs, source: 'default' }, {
          ms: facts.bufferMs,
          source: 'computed',
        }),
    one_way: plus(before('one_way'), facts.oneWay),
    forwarding: plus(before('forwarding') ?? { ms: ENTRY_MS, source: 'default' }, {
      ms: facts.passes * PASS_MS,
      source: 'computed',
    }),
    playout: { ms: playout, source: 'default' },
  }
  const stages = (['encode', 'buffer', 'one_way', 'forwarding', 'playout'] as const).map((stage) => {
    const measured = facts.measured[stage]
    const { ms, source } =
      measured === undefined ? viewed[stage] : { ms: measured, source: 'measured' as const }
    return { stage, ms: tenth(ms), source }
  })
  return {
    budget_ms: profile.glassToGlassMs,
    estimate_ms: tenth(stages.reduce((sum, { ms }) => sum + ms, 0)),
    stages,
  }
}

export function fitsBudget({ budget_ms, estimate_ms }: Latency): boolean {
  return budget_ms === null || estimate_ms <= budget_ms
}

/** `encode 10 (default) + buffer 120 (computed) + … = 151 ms of 200 ms`. */
export function describeLatency({ budget_ms, estimate_ms, stages }: Latency): string {
  const sum = stages
    .map(({ stage, ms, source }) => `${stage.replace('_', '-')} ${ms} (${source})`)
    .join(' + ')
  return `${sum} = ${estimate_ms} ms ${budget_ms === null ? 'and no budget' : `of ${budget_ms} ms`}`
}

/** Joins two stretches of one stage: their sum is known only as well as the less known stretch. */
function plus(one: Stage | undefined, other: Stage): Stage {
  if (!one || one.ms === 0) return other
  if (other.ms === 0) return one
  const rank: readonly StageSource[] = ['measured', 'computed', 'default']
  const source = rank[Math.max(rank.indexOf(one.source), rank.indexOf(other.source))] ?? 'default'
  return { ms: one.ms + other.ms, source }
}

const tenth = (value: number): number => Math.round(value * 10) / 10
