import type { Abr, Pacing } from '../common/wire/flow-contract.ts'
import type { ClassProfile } from './classes.ts'

export interface RateFacts {
  /** What the path can carry for this flow, kb/s; null where nobody knows. */
  readonly capacityKbps: number | null
  /** The highest bitrate that the other end asked for, kb/s; null for no wish. */
  readonly wantedKbps: number | null
  /** The links have not proved themselves yet: begin as low as the class allows. */
  readonly cautious: boolean
}

export type RateAnswer =
  | { readonly fits: true; readonly abr: Abr; readonly reason: string }
  | { readonly fits: false; readonly reason: string }

/** Rates below this carry no picture, kb/s. */
export const LEAST_KBPS = 50

/** The encoder's bounds: the class's bounds, cut by the capacity of the path and by the wish of the other end. */
export function chooseAbr({ videoKbps }: ClassProfile, facts: RateFacts): RateAnswer {
  const { capacityKbps, wantedKbps, cautious } = facts
  const capacity = capacityKbps ?? Number.POSITIVE_INFINITY
  const wanted = wantedKbps ?? Number.POSITIVE_INFINITY
  // The other end may ask for less than the class's floor. A path with less capacity than the floor is refused instead.
  const min = Math.max(LEAST_KBPS, Math.min(videoKbps.floor, wanted))
  if (capacity < min) {
    return { fits: false, reason: `the path carries ${Math.floor(capacity)} kb/s, the floor is ${min} kb/s` }
  }
  const max = Math.floor(Math.min(videoKbps.ceiling, capacity, wanted))
  const start = cautious ? min : Math.min(max, Math.max(min, videoKbps.start))
  const bound =
    max === videoKbps.ceiling
      ? 'the ceiling of the class'
      : max === wanted
        ? 'what was asked for'
        : 'what the path carries'
  const begin = cautious ? ', beginning at the floor until the links have proven themselves' : ''
  return {
    fits: true,
    abr: { min_kbps: min, start_kbps: start, max_kbps: max },
    reason: `bitrate ${min} to ${max} kb/s, bound by ${bound}${begin}`,
  }
}

/** On top of the media: headers, retransmissions and audio. */
const WIRE_OVERHEAD = 1.25
/** Under TSN a flow keeps to its schedule: next to nothing may leave at once. */
const DETERMINISTIC_BURST_MS = 1

/** @param by who spreads the packets of a deterministic flow; null for other flows */
export function choosePacing({ burstMs }: ClassProfile, abr: Abr, by: Pacing['by'] | null): Pacing {
  return {
    target_kbps: abr.start_kbps,
    max_kbps: Math.ceil(abr.max_kbps * WIRE_OVERHEAD),
    burst_ms: by ? DETERMINISTIC_BURST_MS : burstMs,
    ...(by && { by }),
  }
}
