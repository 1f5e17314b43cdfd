import { freezes } from './frame-reader.ts'
import type { MarkedPicture, ShownPicture } from './input-watch.ts'

/** What pictures with marks tell: pure, for benches and tests. */

/** Pictures of one input that follow each other. */
export interface InputRun {
  readonly input: string | null
  readonly pictures: number
}

/** Which inputs were on, in turn. */
export function runsOf(pictures: readonly MarkedPicture[]): InputRun[] {
  const runs: { input: string | null; pictures: number }[] = []
  for (const { input } of pictures) {
    const last = runs.at(-1)
    if (last && last.input === input) last.pictures += 1
    else runs.push({ input, pictures: 1 })
  }
  return runs
}

/**
 * Numbers that are missing where pictures of one input follow each other, and pictures that came again or too late. A
 * viewer that changes to another layer may get the same picture again in the other size, which is right.
 */
export function numbering(pictures: readonly MarkedPicture[]): { lost: number; again: number } {
  let lost = 0
  let again = 0
  for (const [index, { input, number, height }] of pictures.entries()) {
    const before = pictures[index - 1]
    if (number === null || before?.number == null || before.input !== input) continue
    const step = ((number - before.number) << 16) >> 16
    if (step > 1) lost += step - 1
    if (step < 0 || (step === 0 && before.height === height)) again += 1
  }
  return { lost, again }
}

/** Freezes (W3C webrtc-stats, `freezeCount`) that end after `from`, ms in all. @param from unix ms */
export function frozenMs(shown: readonly ShownPicture[], from: number): number {
  const intervals = shown.slice(1).map(({ at }, index) => ({ at, ms: at - shown[index]!.at }))
  const before = intervals.filter(({ at }) => at <= from).map(({ ms }) => ms)
  const all = intervals.map(({ ms }) => ms)
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  return sum(freezes(all)) - sum(freezes(before))
}

/** The longest time between two pictures, the second of which was shown after `from`, ms. */
export function longestGapMs(shown: readonly ShownPicture[], from: number): number {
  return shown.reduce((longest, { at }, index) => {
    const before = shown[index - 1]
    return before && at > from ? Math.max(longest, at - before.at) : longest
  }, 0)
}
