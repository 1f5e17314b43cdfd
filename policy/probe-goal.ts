import { byImportance, RAISE_HEADROOM, RESUME_HEADROOM, type Share } from './share-bandwidth.ts'
import type { ViewedStream } from './viewed-stream.ts'

/** A probe that comes out a little short must still show that the step fits. */
const MARGIN = 1.1

/**
 * How much must be found to fit before the most important stream that goes short gets its next step, kb/s of
 * pictures; null when none goes short. One step at a time: a probe for more than the next one may flood the link.
 */
export function probeGoalKbps(
  streams: readonly ViewedStream[],
  shares: ReadonlyMap<string, Share>,
): number | null {
  const rateOf = (stream: ViewedStream): number => stream.steps[shares.get(stream.id)?.step ?? -1]?.kbps ?? 0
  const usedKbps = streams.reduce((sum, stream) => sum + rateOf(stream), 0)
  for (const stream of streams.toSorted(byImportance)) {
    const share = shares.get(stream.id)
    if (share?.reason !== 'bandwidth' || share.wanted === null) continue
    const next = stream.steps.findIndex(
      ({ kbps }, step) => step > (share.step ?? -1) && step <= share.wanted! && (kbps ?? 0) > rateOf(stream),
    )
    if (next < 0) continue
    const neededKbps = usedKbps - rateOf(stream) + stream.steps[next]!.kbps!
    return (neededKbps * MARGIN) / (1 - (share.step === null ? RESUME_HEADROOM : RAISE_HEADROOM))
  }
  return null
}
