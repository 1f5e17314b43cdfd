/** Pictures pile up in front of a viewer's link, as its page sees it. */
export interface PileUp {
  /** Pictures arrive at this share of the pace at which they were captured, above 0 to 1. */
  readonly pace: number
  /** The last picture came this much later than with an empty queue, or is that late already, ms; 0 where nobody knows. */
  readonly lateMs: number
}

/** Time of a picture to the page and of the page's report back, ms. Nobody measures it while the queue grows. */
const WAY_MS = 50
/** A wait that is too long leaves the link idle. A wait that is too short only leaves a rest of the queue. */
const SURE_SHARE = 0.72
/** The longest wait, ms: a longer queue drops new packets. */
const LONGEST_MS = 1_000

/**
 * How long the queue in front of a link takes to drain if nothing more is sent, ms. The lateness of the last picture is
 * the length of the queue when that picture was sent. The queue has gone on growing since then.
 */
export function drainingMs({ pace, lateMs }: PileUp): number {
  const grownMs = (lateMs + WAY_MS) * (1 / pace - 1)
  return lateMs === 0 ? 0 : Math.min(LONGEST_MS, (lateMs + grownMs) * SURE_SHARE)
}
