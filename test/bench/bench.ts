import type { Progress } from './progress.ts'

export interface BenchContext {
  readonly progress: Progress
  /** Length of each measured case in seconds, where the user gave one. */
  readonly seconds?: number
}

/** A benchmark: compared systems run in the same run. The result is one flat JSON object with a `bench` name. */
export interface Bench {
  readonly about: string
  run(context: BenchContext): Promise<Record<string, unknown>>
}

/** Rounds to `digits` behind the point, for results that people read. */
export function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits))
}
