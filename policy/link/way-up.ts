import type { ViewedStream } from '../viewed-stream.ts'
import type { GivenShare } from './link-terms.ts'
import { byImportance, RAISE_HEADROOM, RESUME_HEADROOM } from './share-bandwidth.ts'

/** What is to be found out about a link, kb/s of all pictures together. */
export interface Goal {
  /** All pictures with the next step. */
  readonly neededKbps: number
  /** The step is certain to fit when a probe at this rate gets through. */
  readonly probeKbps: number
}

/** What was done so far to find out whether a link carries more. Times in ms of any steady clock. */
export interface WayUp {
  /** The last probe, and whether the viewer's page saw a queue that came from it. */
  readonly probed: { readonly at: number; readonly felt: boolean }
  readonly probes: Probes
  readonly trials: Trials
  readonly tries: Tries
}

/** When the link is probed next. */
export interface Probes {
  /** Not before. */
  readonly nextAt: number
  /** The wait after the next probe. */
  readonly waitMs: number
  /** What the link was known to carry at the last look, kb/s. */
  readonly knownKbps: number
}

/** Trials of steps that nearly fit. */
export interface Trials {
  /** Since when the estimate has been near what the step takes; null while it is not near. */
  readonly nearSince: number | null
  readonly triedAt: number
  /** From the last trial to the next trial. */
  readonly waitMs: number
}

/** Tries to play again after all pictures were paused. */
interface Tries {
  readonly nextAt: number
  readonly waitMs: number
}

/** What decides about the way up. Rates in kb/s, with sound. */
export interface Climb {
  readonly goal: Goal
  readonly audioKbps: number
  /** What is sent now; 0 while all pictures are paused. */
  readonly sentKbps: number
  /** What the worker estimates. */
  readonly estimateKbps: number
  /** Whether the viewer's page watches its link and would tell of a queue. */
  readonly watched: boolean
}

/** What to do next: send a short burst at `goalKbps`, or play for a while what takes `kbps`; null for nothing. */
export type NextUp =
  | { readonly do: 'probe'; readonly goalKbps: number; readonly estimateKbps: number }
  | { readonly do: 'play'; readonly kbps: number }
  | null

/** A probe that comes out a little short must still show that the step fits. */
const GOAL_MARGIN = 1.13

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 3_000
/** Each probe that finds nothing makes the wait this many times longer. */
const LONGER = 1.5
/** A link that was just found to carry less hardly carries more soon, and its queue drains first, ms. */
const AFTER_CONGESTION_MS = 3_500
/** A probe found more where the estimate is this many times what it was. The next probe then follows soon. */
const FOUND_MORE = 1.3
const SOON_MS = 100
/** A goal above this many times what is known to fit is probed for in two: a probe that fails leaves a queue. */
const AT_ONCE = 4
/** The first of the two probes is at this many times what is known to fit. */
const FIRST_OF_TWO = 2.5
/** A queue that the page sees this long after a probe comes from the probe, ms. A second queue does not. */
const FELT_AFTER_MS = 40
const FELT_WITHIN_MS = 1_000

/** The estimate is near from this share of what the step takes on: probes find 85 to 95 % of a full link. */
const NEAR = 0.92
/** Below this share the link has changed. */
const FAR = 0.75
/** Probes have this long to find by themselves that the step fits, ms. */
const NEAR_FOR_MS = 1_500
/** Each trial makes the wait for the next trial twice as long, up to five minutes, ms. */
const FIRST_TRIAL_WAIT_MS = 10_000
const LONGEST_TRIAL_WAIT_MS = 300_000
/** A step that was held for this long after a trial did fit, ms. */
const HELD_MS = 60_000

/** While all pictures are paused nothing can be estimated. They are tried again after ever longer waits, ms. */
const TRY_AFTER_MS = 6_000
const TRY_AT_MOST_MS = 48_000

export const FRESH_PROBES: Probes = { nextAt: 0, waitMs: FIRST_WAIT_MS, knownKbps: 0 }
export const NO_TRIALS: Trials = {
  nearSince: null,
  triedAt: Number.NEGATIVE_INFINITY,
  waitMs: FIRST_TRIAL_WAIT_MS,
}
const NO_TRIES: Tries = { nextAt: Number.POSITIVE_INFINITY, waitMs: TRY_AFTER_MS }
export const FRESH_WAY_UP: WayUp = {
  probed: { at: Number.NEGATIVE_INFINITY, felt: false },
  probes: FRESH_PROBES,
  trials: NO_TRIALS,
  tries: NO_TRIES,
}

/**
 * How much must be found to fit before the most important stream that goes short gets the step after the one that is
 * paid for; null when none goes short. One step at a time: a probe for more may flood the link.
 */
export function goalOf(
  streams: readonly ViewedStream[],
  shares: ReadonlyMap<string, GivenShare>,
): Goal | null {
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
    return { neededKbps, probeKbps: (neededKbps * GOAL_MARGIN) / (1 - headroom) }
  }
  return null
}

/** Looks whether the next step would fit: by a probe, or by playing the step where a probe can't tell. */
export function climb(
  way: WayUp,
  facts: Climb,
  nowMs: number,
): { readonly way: WayUp; readonly next: NextUp } {
  const { goal, audioKbps, sentKbps, estimateKbps, watched } = facts
  const goalKbps = goal.probeKbps + audioKbps
  if (sentKbps === 0) return tryAgain(way, goalKbps, nowMs)
  const playing = { ...way, tries: NO_TRIES }
  if (estimateKbps >= goalKbps) return { way: playing, next: null }
  const trial = watched
    ? considerTrial(way.trials, estimateKbps, goal.neededKbps + audioKbps, nowMs)
    : { due: false, trials: way.trials }
  const tried = { ...playing, trials: trial.trials }
  if (trial.due) return { way: tried, next: { do: 'play', kbps: goalKbps } }
  const { probe, probes } = considerProbe(way.probes, estimateKbps, nowMs)
  if (!probe) return { way: { ...tried, probes }, next: null }
  return {
    way: { ...tried, probes, probed: { at: nowMs, felt: false } },
    next: { do: 'probe', goalKbps: probeRateKbps(goalKbps, estimateKbps), estimateKbps },
  }
}

/** No stream goes short: there is nothing to find out. */
export function atTheTop(way: WayUp): WayUp {
  return { ...way, probes: FRESH_PROBES }
}

/** The link carries `knownKbps` and no more. */
export function afterCongestion(way: WayUp, knownKbps: number, nowMs: number): WayUp {
  return { ...way, probes: { nextAt: nowMs + AFTER_CONGESTION_MS, waitMs: LONGEST_WAIT_MS, knownKbps } }
}

/** The way up after a queue that comes from the last probe, and not from what is sent; null where it does not. */
export function feltProbe(way: WayUp, nowMs: number): WayUp | null {
  const probedFor = nowMs - way.probed.at
  if (way.probed.felt || probedFor < FELT_AFTER_MS || probedFor >= FELT_WITHIN_MS) return null
  return { ...way, probed: { ...way.probed, felt: true } }
}

/** The rate to probe at where `goalKbps` is to be found and `estimateKbps` is known to fit, kb/s. */
export function probeRateKbps(goalKbps: number, estimateKbps: number): number {
  return goalKbps <= estimateKbps * AT_ONCE ? goalKbps : estimateKbps * FIRST_OF_TWO
}

/**
 * Whether to probe now for more than the `estimateKbps` that the link is known to carry. A probe lasts 15 ms. It often
 * comes out short and seldom long. So a probe that found much more is followed by another probe soon, for the same step
 * or for the step above. Probes that find nothing come ever more rarely, because each leaves a small queue.
 */
export function considerProbe(
  before: Probes,
  estimateKbps: number,
  nowMs: number,
): { readonly probe: boolean; readonly probes: Probes } {
  const found = estimateKbps > before.knownKbps * FOUND_MORE
  const { nextAt, waitMs, knownKbps } = found
    ? {
        nextAt: Math.min(before.nextAt, nowMs + SOON_MS),
        waitMs: FIRST_WAIT_MS,
        knownKbps: estimateKbps,
      }
    : before
  if (nowMs < nextAt) return { probe: false, probes: { nextAt, waitMs, knownKbps } }
  return {
    probe: true,
    probes: {
      nextAt: nowMs + waitMs,
      waitMs: Math.min(LONGEST_WAIT_MS, waitMs * LONGER),
      knownKbps: estimateKbps,
    },
  }
}

/**
 * Whether to play the next step, which takes `neededKbps`, on trial. A probe of 15 ms finds up to 15 % less than the link
 * carries. A viewer whose step fills nine tenths of the link would never have the step. Only for viewers whose page sees
 * pictures pile up and tells within half a second.
 */
export function considerTrial(
  trials: Trials,
  estimateKbps: number,
  neededKbps: number,
  nowMs: number,
): { readonly due: boolean; readonly trials: Trials } {
  const near = estimateKbps >= neededKbps * NEAR
  if (estimateKbps < neededKbps * FAR) return { due: false, trials: { ...trials, nearSince: null } }
  const nearSince = trials.nearSince ?? (near ? nowMs : null)
  const sinceMs = nowMs - trials.triedAt
  const rested = sinceMs >= trials.waitMs
  if (!near || !rested || nearSince === null || nowMs - nearSince < NEAR_FOR_MS)
    return { due: false, trials: { ...trials, nearSince } }
  // The last trial is long ago: the viewer had the step in between, or did not need it.
  const held = sinceMs >= trials.waitMs + HELD_MS
  const waitMs = held ? FIRST_TRIAL_WAIT_MS : Math.min(LONGEST_TRIAL_WAIT_MS, trials.waitMs * 2)
  return { due: true, trials: { nearSince: null, triedAt: nowMs, waitMs } }
}

/** All pictures are paused: only when one plays can the worker tell whether it fits. */
function tryAgain(
  way: WayUp,
  goalKbps: number,
  nowMs: number,
): { readonly way: WayUp; readonly next: NextUp } {
  const { nextAt, waitMs } = way.tries
  if (nextAt === Number.POSITIVE_INFINITY)
    return { way: { ...way, tries: { nextAt: nowMs + waitMs, waitMs } }, next: null }
  if (nowMs < nextAt) return { way, next: null }
  const tries = { nextAt: Number.POSITIVE_INFINITY, waitMs: Math.min(TRY_AT_MOST_MS, waitMs * 2) }
  return { way: { ...way, tries }, next: { do: 'play', kbps: goalKbps } }
}
