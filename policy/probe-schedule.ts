/** When a link is looked at again, and what was found so far. Times in ms of any steady clock. */
export interface ProbeSchedule {
  /** Not before. */
  readonly nextAt: number
  /** The wait after the next probe. */
  readonly waitMs: number
  /** What the link was known to carry when it was last looked at, kb/s. */
  readonly knownKbps: number
}

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 3_000
/** Each probe that finds nothing makes the wait so many times longer. */
const LONGER = 1.5
/** A link that was just found to carry less hardly carries more again soon, and its queue drains first. */
const AFTER_CONGESTION_MS = 3_500
/** A probe found more where the estimate is so many times what it was... */
const FOUND_MORE = 1.3
/** ...and then the next one follows so soon. */
const SOON_MS = 100
/** More than so many times what is known to fit is not probed for in one go, */
const AT_ONCE = 4
/** but first so many times of it: where nothing more fits, a probe is a queue as long as it is fast. */
const FIRST_OF_TWO = 2.5

export const FRESH_PROBES: ProbeSchedule = { nextAt: 0, waitMs: FIRST_WAIT_MS, knownKbps: 0 }

/** The link carries `knownKbps` and no more. */
export function probesAfterCongestion(knownKbps: number, nowMs: number): ProbeSchedule {
  return { nextAt: nowMs + AFTER_CONGESTION_MS, waitMs: LONGEST_WAIT_MS, knownKbps }
}

/** The rate to probe at where `goalKbps` is to be found and `estimateKbps` is known to fit, kb/s. */
export function probeRateKbps(goalKbps: number, estimateKbps: number): number {
  return goalKbps <= estimateKbps * AT_ONCE ? goalKbps : estimateKbps * FIRST_OF_TWO
}

/**
 * Whether to look now whether the link carries more than the `estimateKbps` that it is known to. A probe lasts 15 ms and
 * often comes out short, seldom long: one that found much more is followed by another soon, be it for the same step or
 * for the one above; those that find nothing come ever more rarely, because each is a small queue in front of the link.
 */
export function considerProbe(
  schedule: ProbeSchedule,
  estimateKbps: number,
  nowMs: number,
): { readonly probe: boolean; readonly schedule: ProbeSchedule } {
  const found = estimateKbps > schedule.knownKbps * FOUND_MORE
  const { nextAt, waitMs, knownKbps } = found
    ? {
        nextAt: Math.min(schedule.nextAt, nowMs + SOON_MS),
        waitMs: FIRST_WAIT_MS,
        knownKbps: estimateKbps,
      }
    : schedule
  if (nowMs < nextAt) return { probe: false, schedule: { nextAt, waitMs, knownKbps } }
  return {
    probe: true,
    schedule: {
      nextAt: nowMs + waitMs,
      waitMs: Math.min(LONGEST_WAIT_MS, waitMs * LONGER),
      knownKbps: estimateKbps,
    },
  }
}
