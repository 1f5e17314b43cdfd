/** A worker that has so much of a core is full: the hub places nothing more on it. */
const FULL_CORE = 0.85
const MOST_LOST = 0.01
/** Packets that are under way at the edges of what was measured are no sign. */
const MOST_BEHIND = 0.1
/** Time of a picture: later than this, a picture is not out before the next comes. */
const PICTURE_MS = 1000 / 30
/** Cores with less idle time than this are full. */
const LEAST_IDLE = 0.05

/** What was seen with so many viewers. Shares are of 1. */
export interface Step {
  readonly viewers: number
  readonly usPerPacket: number
  /** CPU of the busiest worker, of a core. */
  readonly workerShare: number
  /** Viewers that were lost: a machine that is full answers no ICE in time. */
  readonly gone: number
  /** Of the packets that the viewers should have got: those missing between others, and those that did not come at all. */
  readonly lost: number
  readonly behind: number
  /** Those that the kernel had, and dropped because a load client did not fetch them. */
  readonly dropped: number
  /** p99 over the viewers that note arrivals, which the kernel stamps. */
  readonly jitterMs: number
  /** Idle time of the cores on which the load clients run. */
  readonly clientsIdle: number
  /** CPU of all load clients, cores. */
  readonly clientCores: number
}

/** `clients`: the machine can't play more viewers, and what the workers can was not reached. */
export type Giving = 'worker_cpu' | 'loss' | 'jitter' | 'clients'

/** What is over its bound; null where all is well. @param first the step with the fewest viewers, for its jitter */
export function whatGives(step: Step, first: Step): Giving | null {
  if (step.workerShare >= FULL_CORE) return 'worker_cpu'
  const missing = step.gone > 0 || step.lost > MOST_LOST || step.behind > MOST_BEHIND
  const late = step.jitterMs > first.jitterMs + PICTURE_MS
  if (!missing && !late) return null
  const unfetched = missing && step.dropped >= (step.lost + step.behind) / 2
  if (unfetched || step.clientsIdle < LEAST_IDLE) return 'clients'
  return missing ? 'loss' : 'jitter'
}

export interface Saturation {
  /** The most that were held before something gave. */
  readonly full: Step | null
  /** The step with about half of them. */
  readonly half: Step | null
}

/** @param held steps in which nothing gave, in the order of their viewers */
export function saturationOf(held: readonly Step[]): Saturation {
  const full = held.at(-1) ?? null
  if (!full) return { full, half: null }
  const distance = ({ viewers }: Step) => Math.abs(viewers - full.viewers / 2)
  const half = held.slice(0, -1).toSorted((a, b) => distance(a) - distance(b))[0] ?? null
  return { full, half }
}
