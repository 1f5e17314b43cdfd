import type { LinkAction, LinkFact, LinkSeen, LinkStream } from './link-terms.ts'
import { drainingMs, type PileUp } from './queue.ts'
import { estimateFromReport, freshBandwidth, type ReportedBandwidth } from './reported-bandwidth.ts'
import { allAtLowest, KEEP_MARGIN, leastKbps, sentKbps, soundKbps, sum } from './sent.ts'
import { type Bandwidth, byImportance, type Share } from './share-bandwidth.ts'
import { byDelivery, type StreamMemory, shareOut } from './shares.ts'
import { afterCongestion, atTheTop, climb, FRESH_WAY_UP, feltProbe, goalOf, type WayUp } from './way-up.ts'

/** What is remembered of one viewer's link. Rates in kb/s with sound, times in ms of any steady clock. */
export interface LinkState {
  /** The worker's estimate, or the estimate made from the receiver's reports; null while there is none. */
  readonly estimate: Bandwidth | null
  /** What the link is taken to carry for a while, whatever the estimate: the viewer saw it, or it is tried. */
  readonly taken: { readonly kbps: number; readonly until: number } | null
  readonly cutAt: number
  readonly congestedAt: number
  /** When the queue in front of the link is empty, if nothing more is sent. */
  readonly drainedAt: number
  /** When the viewer's page last reported. */
  readonly heardAt: number
  /** What the receiver's reports told, where the worker can't estimate. */
  readonly reports: ReportedBandwidth
  readonly up: WayUp
  /** What must be found to fit before the next step up, kb/s of pictures; null while no stream goes short. */
  readonly goalKbps: number | null
  /** By the id of each stream. */
  readonly streams: ReadonlyMap<string, StreamMemory>
}

/** The new state of a link, and what to do, in this order. */
export interface LinkStep {
  readonly state: LinkState
  readonly actions: readonly LinkAction[]
}

const NEVER = Number.NEGATIVE_INFINITY

/** @param startKbps where an estimate from the receiver's reports begins */
export const freshLink = (startKbps: number): LinkState => ({
  estimate: null,
  taken: null,
  cutAt: NEVER,
  congestedAt: NEVER,
  drainedAt: NEVER,
  heardAt: NEVER,
  reports: freshBandwidth(startKbps),
  up: FRESH_WAY_UP,
  goalKbps: null,
  streams: new Map(),
})

/** The first, second... stream by importance gets this and lower priorities. mediasoup's highest is 255. */
const FIRST_PRIORITY = 200
const LOOK_AT_SOONEST_MS = 50
/** A viewer whose page reports at least this often watches its link itself, ms. */
const REPORTS_WITHIN_MS = 12_000
/** From this score (mediasoup, 0 to 10) on, no loss matters. */
const GOOD_SCORE = 8
/** What the viewer saw its link carry holds for this time, ms. The worker's estimate needs as long to settle. */
const PIN_MS = 3_000
/** The share that is used of what a congested link was seen to carry. */
const USE_OF_SEEN = 0.95
/** Where the link carries less than this share of what is sent, the next keyframe is not waited for. */
const SEVERE = 0.6
/** At this share of the pace and above, a queue hardly grows. */
const MILD = 0.8
const CUT_EVERY_MS = 1_000
/** For this long after a queue was seen, the rest of that queue arrives late and says nothing new, ms. */
const DRAINING_MS = 2_500
/** A picture that may not fit is played for this time, ms. */
const TRY_FOR_MS = 4_000

/** What a fact makes of a link, and what to do about it. Pure: the same question has the same answer. */
export function linkStep(state: LinkState, fact: LinkFact, seen: LinkSeen): LinkStep {
  switch (fact.kind) {
    case 'heard':
      return { state: { ...state, heardAt: seen.nowMs }, actions: [] }
    case 'piled_up':
      return piledUp(state, fact, seen)
    case 'estimated': {
      const { availableKbps, limitKbps } = fact
      return decide({ ...state, estimate: { availableKbps, limitKbps } }, seen)
    }
    case 'delivered': {
      const reports = estimateFromReport(
        state.reports,
        fact.report,
        fact.passedMs,
        seen.nowMs,
        state.goalKbps,
      )
      const availableKbps = reports.availableKbps + soundKbps(seen.streams)
      const estimate = { availableKbps, limitKbps: Number.POSITIVE_INFINITY }
      return decide({ ...state, reports, estimate }, seen)
    }
    case 'changed':
      return decide(state, seen)
  }
}

/**
 * Pictures pile up in front of the viewer's link. The page sees that long before the worker's estimate falls, and
 * before anything is lost.
 */
function piledUp(state: LinkState, pileUp: PileUp, seen: LinkSeen): LinkStep {
  const { nowMs, streams } = seen
  const unmoved = { state, actions: [] }
  // Single layers are judged by the packets that are lost for good: no lower layer exists, and no estimate to correct.
  if (!seen.estimates) return unmoved
  const sent = sentKbps(state.streams, streams)
  if (sent === 0 || nowMs - state.congestedAt < DRAINING_MS) return unmoved
  const felt = feltProbe(state.up, nowMs)
  if (felt) return { state: { ...state, up: felt }, actions: [] }
  // A queue that hardly grows is no reason to give up the lowest layer.
  if (pileUp.pace > MILD && allAtLowest(state.streams, streams)) return unmoved
  const kbps = Math.max(sent * pileUp.pace * USE_OF_SEEN, leastKbps(state.streams, streams))
  const congested = {
    ...state,
    congestedAt: nowMs,
    drainedAt: nowMs + drainingMs(pileUp),
    taken: { kbps, until: nowMs + PIN_MS },
    up: afterCongestion(state.up, kbps, nowMs),
  }
  return decide(congested, seen, kbps)
}

/** @param pinKbps what the worker's estimate is to be held at, where that is news */
function decide(before: LinkState, seen: LinkSeen, pinKbps: number | null = null): LinkStep {
  const { nowMs } = seen
  const streams = seen.streams.toSorted(byImportance)
  const taken = before.taken && nowMs < before.taken.until ? before.taken : null
  const keptKbps = taken ? 0 : keepsKbps(before, seen)
  const bandwidth = forPictures(taken, before.estimate, keptKbps, soundKbps(streams))
  const { shares, memories, lookAfterMs } = bandwidth
    ? shareOut(before.streams, bandwidth, streams, nowMs)
    : byDelivery(before.streams, streams, seen)
  const shared = { ...before, taken, streams: memories }
  const bounds: LinkAction[] = [{ do: 'ceiling', kbps: sum(streams, ({ ceilingKbps }) => ceilingKbps) }]
  if (!taken && before.estimate) bounds.push({ do: 'keep', kbps: keptKbps })
  const takes = streams.map(({ id }, rank): LinkAction => {
    const { memory: _, ...share } = shares.get(id)!
    return { do: 'take', id, share, priority: streams.length > 1 ? FIRST_PRIORITY - rank : 1 }
  })
  // The worker takes no layer away by itself when it is pinned, and probes for nothing when a picture is cut first.
  const pins: LinkAction[] =
    pinKbps === null
      ? []
      : [{ do: 'pin', minKbps: Math.min(sentKbps(memories, streams), pinKbps), maxKbps: pinKbps }]
  const sent = sentKbps(before.streams, streams)
  const severe = bandwidth !== null && bandwidth.availableKbps + soundKbps(streams) < sent * SEVERE
  const lowered =
    severe && nowMs - before.cutAt >= CUT_EVERY_MS
      ? streams.filter((stream) => isLowered(stream, shares.get(stream.id)!))
      : []
  const drainsInMs = Math.max(0, before.drainedAt - nowMs)
  const cuts = lowered.map(({ id }): LinkAction => ({ do: 'cut', id, drainingMs: drainsInMs }))
  const up = goUp({ ...shared, cutAt: cuts.length > 0 ? nowMs : before.cutAt }, streams, shares, nowMs)
  const looks: LinkAction[] =
    lookAfterMs === null ? [] : [{ do: 'look', afterMs: Math.max(LOOK_AT_SOONEST_MS, lookAfterMs) }]
  return { state: up.state, actions: [...bounds, ...takes, ...pins, ...cuts, ...up.actions, ...looks] }
}

/** What the link carries of pictures; null while nobody knows. */
function forPictures(
  taken: LinkState['taken'],
  estimate: Bandwidth | null,
  keptKbps: number,
  audioKbps: number,
): Bandwidth | null {
  const rates = taken ? { availableKbps: taken.kbps, limitKbps: taken.kbps } : estimate
  return (
    rates && {
      availableKbps: Math.max(0, Math.max(rates.availableKbps, keptKbps) - audioKbps),
      limitKbps: Math.max(0, rates.limitKbps - audioKbps),
    }
  )
}

/** Where a stream goes short, looks whether its next step would fit. */
function goUp(
  state: LinkState,
  streams: readonly LinkStream[],
  shares: ReadonlyMap<string, Share>,
  nowMs: number,
): LinkStep {
  if (!state.estimate) return { state, actions: [] }
  const goal = goalOf(streams, shares)
  const known = { ...state, goalKbps: goal?.probeKbps ?? null }
  if (state.taken) return { state: known, actions: [] }
  if (goal === null) return { state: { ...known, up: atTheTop(state.up) }, actions: [{ do: 'open' }] }
  const climbing = {
    goal,
    audioKbps: soundKbps(streams),
    sentKbps: sentKbps(state.streams, streams),
    estimateKbps: state.estimate.availableKbps,
    watched: watchesItself(state, nowMs),
  }
  const { way: up, next } = climb(state.up, climbing, nowMs)
  if (next?.do !== 'play') return { state: { ...known, up }, actions: next ? [next] : [] }
  const { kbps } = next
  const taken = { kbps, until: nowMs + TRY_FOR_MS }
  return { state: { ...known, up, taken }, actions: [{ do: 'pin', minKbps: kbps, maxKbps: kbps }] }
}

/**
 * What reaches the viewer for certain, kb/s: its page watches the link and has reported no queue. The worker's estimate
 * also falls after a probe of its own, and that is no reason to give up a layer.
 */
function keepsKbps(state: LinkState, { streams, nowMs }: LinkSeen): number {
  if (!watchesItself(state, nowMs)) return 0
  const lossless = streams.every(({ score }) => (score ?? 10) >= GOOD_SCORE)
  return lossless ? sentKbps(state.streams, streams) * KEEP_MARGIN : 0
}

const watchesItself = ({ heardAt }: LinkState, nowMs: number): boolean => nowMs - heardAt <= REPORTS_WITHIN_MS

/** Whether a share takes a lower layer than the layer that is sent, which goes on until a keyframe of the lower one. */
function isLowered(stream: LinkStream, { step }: Share): boolean {
  return stream.ready && step !== null && stream.steps[step]!.spatial < stream.layer.spatial
}
