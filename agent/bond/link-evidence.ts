/** What librist and the hub say of one link, counted since the flow began. */
export interface LinkFacts {
  /** Index among the contract's endpoints. */
  readonly link: number
  /** Datagrams sent: media, repairs and reports. */
  readonly sent: number
  /** Messages of the receiver that came back on the link: at least ten a second while the link lives. */
  readonly heard: number
  /** The last round trip, ms; null before the first. librist 0.2.7 tells it modulo 1000. */
  readonly rttMs: number | null
}

/** What has arrived at the hub on one link, counted since the hub began to listen. */
export interface LinkArrivals {
  readonly link: number
  readonly packets: number
}

interface Sample {
  readonly atMs: number
  readonly count: number
}

interface RoundTrip extends Sample {
  /** Since when the told figure is taken to have wrapped. */
  readonly wrappedAtMs?: number
}

/** What is remembered of a link. Times in ms of the sender's steady clock, those of `arrived` by the hub's. */
export interface LinkTrail {
  readonly sent: readonly Sample[]
  readonly arrived: readonly Sample[]
  readonly heard: number
  /** How long nothing has come back, as far as this process was awake to hear it. */
  readonly deafMs: number
  /** When the hub's last word came, by the sender's clock. */
  readonly newsAtMs: number
  /** For how long the hub has counted nothing more, ms. */
  readonly unarrivedMs: number
  /** The last round trips, newest first, with librist's wrap undone as far as it shows. */
  readonly rtts: readonly RoundTrip[]
  /** Least round trip of each of the last stretches of time, newest first. */
  readonly leastRtts: readonly Sample[]
  /** Share of packets that is lost whatever the load, 0 to 1. */
  readonly usualLoss: number
}

/** What a link's trail says now. */
export interface LinkEvidence {
  /** How long the link has shown no sign of life, ms. */
  readonly silentMs: number
  readonly rttMs: number | null
  /** Round trip beyond the link's own least one, ms. */
  readonly queueMs: number
  /** Datagrams a second that left. */
  readonly sentRate: number
  /** Datagrams a second that arrived; null where the hub tells nothing. */
  readonly arrivedRate: number | null
  /** Share of what left that has not arrived in the time that the way takes, -1 to 1; 0 where the hub tells nothing. */
  readonly missing: number
  /** The same as a number of datagrams. */
  readonly missingPackets: number
  readonly usualLoss: number
  /** Whether the hub's word came with the last step. */
  readonly isNews: boolean
}

/** Samples are kept for this long, ms. */
const KEEP_MS = 3000
/** Deliveries are compared over at least this long, ms: shorter ones depend on how single pictures fall. */
const WINDOW_MS = 500
/** The hub's word that is older than this says nothing, ms. */
const NEWS_MS = 1200
/** A step that took longer says that this process slept, not that the links were silent, ms. */
const AWAKE_MS = 150
/** So many round trips are looked at together. */
const LAST_RTTS = 3
/** librist 0.2.7 tells round trips modulo this, ms. */
const RTT_WRAP_MS = 1000
/** A queue drains by 1 ms a ms. A round trip that seems to have fallen by this much more has wrapped, ms. */
const RTT_FALL_MS = 250
/** For so long a wrap is believed in, ms. */
const WRAPPED_MS = 3000
/** The least round trip holds for three stretches of this length, ms. */
const RTT_STRETCH_MS = 10_000
const RTT_STRETCHES = 3
/** The hub's word takes about this long to the sender, ms. Nobody measures it. */
const NEWS_WAY_MS = 50
/** Time constant of the usual loss, ms, and how often the hub's word comes. */
const USUAL_MS = 5000
const NEWS_EVERY_MS = 200
/** Loss that is usual shows without a queue of this length, ms, and is less than this. */
const QUIET_MS = 150
const STILL_MS = 30
const MOST_USUAL = 0.4

export const noTrail = (nowMs: number): LinkTrail => ({
  sent: [],
  arrived: [],
  heard: 0,
  deafMs: 0,
  newsAtMs: nowMs,
  unarrivedMs: 0,
  rtts: [],
  leastRtts: [],
  usualLoss: 0,
})

/**
 * Adds what was told since the last step.
 * @param arrivals what the hub said since the last step, by its clock; null where it said nothing
 */
export function follow(
  trail: LinkTrail,
  facts: LinkFacts,
  arrivals: { readonly packets: number; readonly hubMs: number } | null,
  stepMs: number,
  nowMs: number,
): LinkTrail {
  // Counts that fall belong to another flow.
  if (facts.heard < trail.heard || facts.sent < (trail.sent.at(-1)?.count ?? 0))
    return follow(noTrail(nowMs), facts, null, stepMs, nowMs)
  const heard = facts.heard > trail.heard
  // A count that falls belongs to a new receiver: what was remembered is about another count.
  const begins = arrivals !== null && arrivals.packets < (trail.arrived.at(-1)?.count ?? 0)
  const before = begins ? [] : trail.arrived
  const last = before.at(-1)
  const next: LinkTrail = {
    ...trail,
    sent: kept([...trail.sent, { atMs: nowMs, count: facts.sent }], nowMs),
    arrived: arrivals
      ? kept([...before, { atMs: arrivals.hubMs, count: arrivals.packets }], arrivals.hubMs)
      : trail.arrived,
    heard: facts.heard,
    deafMs: heard ? 0 : trail.deafMs + Math.min(stepMs, AWAKE_MS),
    ...(arrivals && {
      newsAtMs: nowMs,
      unarrivedMs:
        last && arrivals.packets === last.count
          ? trail.unarrivedMs + Math.max(0, arrivals.hubMs - last.atMs)
          : 0,
    }),
    ...(heard && facts.rttMs !== null ? roundTrips(trail, facts.rttMs, nowMs) : {}),
  }
  if (!arrivals) return next
  const { missing, queueMs, silentMs } = evidenceOf(next, nowMs)
  // A queue or an outage makes packets late that are not lost on the air.
  if (silentMs >= QUIET_MS || queueMs > STILL_MS || missing > MOST_USUAL) return next
  const share = NEWS_EVERY_MS / USUAL_MS
  return { ...next, usualLoss: Math.max(0, trail.usualLoss + (missing - trail.usualLoss) * share) }
}

export function evidenceOf(trail: LinkTrail, nowMs: number): LinkEvidence {
  const { sent, arrived, rtts, leastRtts, usualLoss } = trail
  // The least of some: jitter is no queue.
  const rttMs = rtts.length === 0 ? null : Math.min(...rtts.map(({ count }) => count))
  const queueMs = rttMs === null ? 0 : Math.max(0, rttMs - Math.min(...leastRtts.map(({ count }) => count)))
  const newest = arrived.at(-1)
  const oldest = newest && arrived.findLast(({ atMs }) => newest.atMs - atMs >= WINDOW_MS)
  const isFresh = nowMs - trail.newsAtMs < NEWS_MS
  const sentRate = rateOf(sent, nowMs - WINDOW_MS, nowMs)
  // A link of which only the way back lives is as dead as one that is wholly silent.
  const silentMs = Math.max(trail.deafMs, isFresh ? trail.unarrivedMs : 0)
  const isNews = newest !== undefined && trail.newsAtMs === nowMs
  const known = { silentMs, rttMs, queueMs, sentRate, usualLoss, isNews }
  if (!newest || !oldest || !isFresh) return { ...known, arrivedRate: null, missing: 0, missingPackets: 0 }
  const lengthMs = newest.atMs - oldest.atMs
  const came = newest.count - oldest.count
  // What arrived in that time left one way earlier.
  const until = trail.newsAtMs - (rttMs ?? 0) / 2 - NEWS_WAY_MS
  const left = (rateOf(sent, until - lengthMs, until) * lengthMs) / 1000
  const missingPackets = left - came
  return {
    ...known,
    arrivedRate: (came * 1000) / lengthMs,
    missing: left > 0 ? Math.max(-1, missingPackets / left) : 0,
    missingPackets,
  }
}

/** Events a second between two times, by counts that are taken to grow evenly between samples. */
function rateOf(samples: readonly Sample[], fromMs: number, untilMs: number): number {
  const [first] = samples
  const last = samples.at(-1)
  if (!first || !last || last.atMs <= first.atMs) return 0
  const from = Math.max(fromMs, first.atMs)
  const until = Math.min(untilMs, last.atMs)
  if (until <= from) return 0
  return ((countAt(samples, until) - countAt(samples, from)) * 1000) / (until - from)
}

function countAt(samples: readonly Sample[], atMs: number): number {
  const after = samples.findIndex((sample) => sample.atMs >= atMs)
  const next = samples[after]!
  const before = samples[after - 1]
  if (!before) return next.count
  return before.count + ((next.count - before.count) * (atMs - before.atMs)) / (next.atMs - before.atMs)
}

const kept = (samples: readonly Sample[], nowMs: number): readonly Sample[] =>
  samples.filter(({ atMs }) => nowMs - atMs <= KEEP_MS)

function roundTrips(
  { rtts, leastRtts }: LinkTrail,
  toldMs: number,
  nowMs: number,
): Pick<LinkTrail, 'rtts' | 'leastRtts'> {
  const [last] = rtts
  const isWrapped =
    last !== undefined &&
    toldMs < last.count - (nowMs - last.atMs) - RTT_FALL_MS &&
    (last.count < RTT_WRAP_MS || nowMs - (last.wrappedAtMs ?? nowMs) < WRAPPED_MS)
  const count = isWrapped ? toldMs + RTT_WRAP_MS : toldMs
  const sample = { atMs: nowMs, count, ...(isWrapped && { wrappedAtMs: last.wrappedAtMs ?? nowMs }) }
  return { rtts: [sample, ...rtts].slice(0, LAST_RTTS), leastRtts: leastOf(leastRtts, count, nowMs) }
}

function leastOf(least: readonly Sample[], rttMs: number, nowMs: number): readonly Sample[] {
  const [newest, ...older] = least
  if (!newest || nowMs - newest.atMs >= RTT_STRETCH_MS)
    return [{ atMs: nowMs, count: rttMs }, ...least].slice(0, RTT_STRETCHES)
  return rttMs < newest.count ? [{ ...newest, count: rttMs }, ...older] : least
}
