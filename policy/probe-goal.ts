import { byImportance, RAISE_HEADROOM, RESUME_HEADROOM, type Share } from './share-bandwidth.ts'
import type { ViewedStream } from './viewed-stream.ts'

/** A probe that comes out a little short must still show that the step fits. */
const MARGIN = 1.13

/** What is to be found out about a link, kb/s of all pictures together. */
export interface ProbeGoal {
  /** With the next step. */
  readonly neededKbps: number
  /** That it fits is certain when a probe for so much gets through. */
  readonly probeKbps: number
}

/**
 * How much must be found to fit before the most important stream that goes short gets the step after the one that is
 * paid for; null when none goes short. One step at a time: a probe for more may flood the link.
 */
export function probeGoal(
  streams: readonly ViewedStream[],
  shares: ReadonlyMap<string, Share>,
): ProbeGoal | null {
  const paidFor = ({ id }: ViewedStream): number => {
    const share = shares.get(id)
    return Math.max(share?.step ?? -1, share?.affordable ?? -1)
  }
  const rateOf = (stream: ViewedStream): number => stream.steps[paidFor(stream)]?.kbps ?? 0
  const usedKbps = streams.reduce((sum, stream) => sum + rateOf(stream), 0)
  for (const stream of streams.toSorted(byImportance)) {
    const share = shares.get(stream.id)
    if (share?.reason !== 'bandwidth' || share.wanted === null) continue
    const next = stream.steps.findIndex(
      ({ kbps }, step) => step > paidFor(stream) && step <= share.wanted! && (kbps ?? 0) > rateOf(stream),
    )
    if (next < 0) continue
    const neededKbps = usedKbps - rateOf(stream) + stream.steps[next]!.kbps!
    const headroom = paidFor(stream) < 0 ? RESUME_HEADROOM : RAISE_HEADROOM
    return { neededKbps, probeKbps: (neededKbps * MARGIN) / (1 - headroom) }
  }
  return null
}
