import type { ActionCount } from './action.ts'
import { type Measured, QUANTITY_NAMES, type Reading, type Sample } from './measure.ts'

/** What a quantity may have at the end that had `baseline` at the beginning. */
type Bound = (baseline: number) => number

/**
 * A worker keeps the pipe to each other worker, and to its relay process, once something went through it, until the worker
 * ends. How many there are goes by what happened since the last kill, not by how much: of two workers, two pipes with two
 * ends each, and two relays.
 */
const KEPT_PIPES = 6

/**
 * Memory has room for what a longer life costs (caches, fragmentation), and none for what grows by what happens:
 * thousands of joins would be hundreds of MB. What is counted has room for what comes and goes by itself.
 */
export const BOUNDS: Readonly<Record<keyof Measured, Bound>> = {
  hub_heap_mb: (mb) => mb + 12,
  hub_external_mb: (mb) => mb + 16,
  hub_rss_mb: (mb) => mb * 1.3 + 48,
  children_rss_mb: (mb) => mb * 1.3 + 64,
  hub_descriptors: (count) => count + 8,
  // An ingress process more or less: one may outlive its sender for a while.
  children_descriptors: (count) => count + 40,
  processes: (count) => count + 1,
  timers: (count) => count + 12,
  handles: (count) => count + 8,
  transports: (count) => count + KEPT_PIPES,
  consumers: (count) => count,
  viewers: (count) => count,
  connections: (count) => count,
  flows: (count) => count,
  allocations: (count) => count,
}

export interface Judged {
  readonly quantity: keyof Measured
  readonly baseline: number
  /** The most that was seen during the run; null for quantities that are measured only in quiet. */
  readonly peak: number | null
  readonly end: number
  readonly bound: number
  readonly clean: boolean
}

export interface SoakVerdict {
  readonly clean: boolean
  readonly judged: readonly Judged[]
  /** What is wrong, in words; empty when all is clean. */
  readonly problems: readonly string[]
}

export interface Evidence {
  readonly baseline: Sample
  readonly end: Sample
  readonly peaks: Readonly<Partial<Reading>>
  readonly actions: ReadonlyMap<string, ActionCount>
  readonly unexpectedErrors: readonly string[]
  /** What the hub said of itself and did not mean: not ready, a stream that is not live. */
  readonly notWell: readonly string[]
}

export function judge(evidence: Evidence): SoakVerdict {
  const { baseline, end, peaks } = evidence
  const judged = QUANTITY_NAMES.map((quantity): Judged => {
    const [before, after] = [baseline.values[quantity], end.values[quantity]]
    const bound = BOUNDS[quantity](before)
    const peak = quantity in peaks ? (peaks[quantity as keyof Reading] ?? null) : null
    return { quantity, baseline: before, peak, end: after, bound, clean: after <= bound }
  })
  const leaks = judged
    .filter(({ clean }) => !clean)
    .map(({ quantity, baseline: before, end: after, bound }) => {
      const [a, b, c] = [before, after, bound].map((value) => Math.round(value * 10) / 10)
      return `${quantity}: ${a} before, ${b} after, ${c} allowed${whereOf(quantity, evidence)}`
    })
  const never = [...evidence.actions]
    .filter(([, { done, failed }]) => done === 0 && failed > 0)
    .map(([name, { failed, lastError }]) => `${name} never worked (${failed} times): ${lastError}`)
  const errors = evidence.unexpectedErrors.map((kind) => `an error in the hub's log: ${kind}`)
  const problems = [...leaks, ...never, ...errors, ...evidence.notWell]
  return { clean: problems.length === 0, judged, problems }
}

/** What of a count grew most. */
function whereOf(quantity: keyof Measured, { baseline, end }: Evidence): string {
  if (quantity !== 'timers' && quantity !== 'handles') return ''
  const which = quantity === 'timers' ? 'timersByPlace' : 'handlesByKind'
  const grown = Object.entries(end[which])
    .map(([name, count]) => ({ name, by: count - (baseline[which][name] ?? 0) }))
    .filter(({ by }) => by > 0)
    .sort((a, b) => b.by - a.by)
    .slice(0, 3)
  return grown.length === 0 ? '' : ` (${grown.map(({ name, by }) => `${name} +${by}`).join(', ')})`
}

/** The verdict as a person reads it. */
export function verdictText({ clean, judged, problems }: SoakVerdict): string {
  const shown = (value: number | null) => (value === null ? '' : String(Math.round(value * 10) / 10))
  const rows = judged.map(({ quantity, baseline, peak, end, bound, clean: kept }) => [
    quantity,
    ...[baseline, peak, end, bound].map(shown),
    kept ? '' : 'LEAKED',
  ])
  const table = [['quantity', 'before', 'most', 'after', 'allowed', ''], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  const lines = table.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  return [
    ...lines,
    '',
    ...(clean ? ['clean'] : ['NOT CLEAN:', ...problems.map((line) => `  ${line}`)]),
    '',
  ].join('\n')
}
