/** Trials of steps that nearly fit. Times in ms of any steady clock. */
export interface StepTrials {
  /** Since when the estimate has come near; null while it has not. */
  readonly nearSince: number | null
  readonly triedAt: number
  /** From the last trial to the next one. */
  readonly waitMs: number
}

/** An estimate from this share of what the step takes on is near: of a full link 85 to 95 % are found. */
const NEAR = 0.92
/** Below this share the link has changed. */
const FAR = 0.75
/** For so long probes may find by themselves that it fits, ms. */
const NEAR_FOR_MS = 1_500
/** Each trial makes the wait for the next one twice as long, up to five minutes, ms. */
const FIRST_WAIT_MS = 10_000
const LONGEST_WAIT_MS = 300_000
/** A step that was held for so long after a trial did fit, ms. */
const HELD_MS = 60_000

export const NO_TRIALS: StepTrials = {
  nearSince: null,
  triedAt: Number.NEGATIVE_INFINITY,
  waitMs: FIRST_WAIT_MS,
}

/**
 * Whether to play the next step, which takes `neededKbps`, on trial: a probe of 15 ms tells up to 15 % less than the link
 * carries, and a viewer on a link that its step fills to nine tenths would never have it. Only for viewers whose page sees
 * pictures pile up and tells within half a second.
 */
export function considerTrial(
  trials: StepTrials,
  estimateKbps: number,
  neededKbps: number,
  nowMs: number,
): { readonly due: boolean; readonly trials: StepTrials } {
  const near = estimateKbps >= neededKbps * NEAR
  if (estimateKbps < neededKbps * FAR) return { due: false, trials: { ...trials, nearSince: null } }
  const nearSince = trials.nearSince ?? (near ? nowMs : null)
  const sinceMs = nowMs - trials.triedAt
  const rested = sinceMs >= trials.waitMs
  if (!near || !rested || nearSince === null || nowMs - nearSince < NEAR_FOR_MS)
    return { due: false, trials: { ...trials, nearSince } }
  // Long ago: it was up in between, or the viewer had no need.
  const held = sinceMs >= trials.waitMs + HELD_MS
  const waitMs = held ? FIRST_WAIT_MS : Math.min(LONGEST_WAIT_MS, trials.waitMs * 2)
  return { due: true, trials: { nearSince: null, triedAt: nowMs, waitMs } }
}
