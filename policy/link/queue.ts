/** Pictures pile up in front of a viewer's link, as its page sees it. */
export interface PileUp {
  /** The share of the pace that they arrive at, above 0 to 1. */
  readonly pace: number
  /** How much later than by an empty queue the last one came, or is already, ms; 0 where nobody knows. */
  readonly lateMs: number
}

/** The way of a picture to the page and of its word back, ms: nobody measures it while the queue grows. */
const WAY_MS = 50
/** An estimate that is too long leaves the link idle; one that is too short only leaves a rest of the queue. */
const SURE_SHARE = 0.72
/** More than this is waited for in no case, ms: queues that are longer drop what is new. */
const LONGEST_MS = 1_000

/**
 * How long the queue in front of a link takes to drain if nothing more is sent, ms: the last picture that was seen was
 * late by what the queue was when it was sent, and since then it has gone on growing.
 */
export function drainingMs({ pace, lateMs }: PileUp): number {
  const grownMs = (lateMs + WAY_MS) * (1 / pace - 1)
  return lateMs === 0 ? 0 : Math.min(LONGEST_MS, (lateMs + grownMs) * SURE_SHARE)
}
