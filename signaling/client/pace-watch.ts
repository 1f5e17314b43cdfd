/** RTP clock of video, ticks per ms (90 kHz). */
const TICKS_PER_MS = 90
/** A picture that comes this much later after the one before than it was captured, ms, and this many times, is late. */
const LATE_MS = 20
const LATE_TIMES = 1.4
/** Late ones in a row that are a queue which grows fast: two that lose this much together, or more of them, ms. */
const TWO_LOSE_MS = 150
const MORE_LOSE_MS = 110
/** The last ones of them tell at which pace pictures arrive. */
const PACE_OF = 3
/** The next picture is expected where at least so many of late were captured evenly: none this many times another. */
const EVEN_PICTURES = 8
const EVEN_TIMES = 1.5
/** Pictures that are all this late, for so long, without it getting better, are a queue which grows slowly: ms. */
const STANDING_MS = 200
const STANDING_FOR_MS = 1_500
/** Asked for where a queue only stands: less than what comes, so that it drains. */
const DRAINING_PACE = 0.9
/** What was told is not told again for so long, ms; a queue that only stands has to drain first. */
const QUIET_MS = 300
const QUIET_STANDING_MS = 5_000
/** A longer gap is a stream that stood still, ms. */
const GAP_MS = 1_000
/** How far back the shortest way of a picture is looked for, ms. */
const BASELINE_MS = 5_000

/** What the hub is told of pictures that pile up in front of the viewer's link. */
export interface PileUp {
  /** The share of the pace that they arrive at, 0 to 1. */
  readonly pace: number
  /** How much later than by an empty queue the last one came, or is already. */
  readonly late_ms: number
}

interface Arrival {
  readonly receivedAt: number
  /** When it was captured, by the stream's own clock, ms. */
  readonly mediaAt: number
  /** How much longer it took than the fastest one of late, ms. */
  readonly lateMs: number
}

/**
 * Sees a queue grow in front of the viewer's link, from when pictures arrive and when they were captured: long before
 * anything is lost, and before the sender's estimate falls.
 */
export class PaceWatch {
  readonly #arrivals: Arrival[] = []
  #lastTimestamp = 0
  /** The shortest transit of the running stretch of time and of the one before it; their zero is arbitrary. */
  #shortest = { since: 0, now: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY }
  #toldAt = Number.NEGATIVE_INFINITY

  /**
   * One picture: when its last packet came, ms, and its RTP timestamp.
   * @returns what is to be told of pictures that pile up; null where they don't
   */
  add(receivedAt: number, rtpTimestamp: number): PileUp | null {
    const last = this.#arrivals.at(-1)
    const mediaMs = ((rtpTimestamp - this.#lastTimestamp) | 0) / TICKS_PER_MS
    this.#lastTimestamp = rtpTimestamp
    if (last === undefined || mediaMs <= 0 || mediaMs > GAP_MS || receivedAt - last.receivedAt > GAP_MS) {
      this.#restart(receivedAt)
      return null
    }
    const mediaAt = last.mediaAt + mediaMs
    this.#arrivals.push({ receivedAt, mediaAt, lateMs: this.#late(receivedAt, receivedAt - mediaAt) })
    while (this.#arrivals[1]!.receivedAt < receivedAt - STANDING_FOR_MS) this.#arrivals.shift()
    if (receivedAt - this.#toldAt < QUIET_MS) return null
    const patient = receivedAt - this.#toldAt < QUIET_STANDING_MS
    const pace = this.#growing() ?? (patient ? null : this.#standing())
    if (pace === null) return null
    this.#toldAt = receivedAt
    return { pace, late_ms: this.#arrivals.at(-1)!.lateMs }
  }

  #restart(receivedAt: number): void {
    this.#arrivals.splice(0, Number.POSITIVE_INFINITY, { receivedAt, mediaAt: 0, lateMs: 0 })
    this.#shortest = { since: receivedAt, now: receivedAt, before: Number.POSITIVE_INFINITY }
  }

  #late(receivedAt: number, transit: number): number {
    const shortest = this.#shortest
    if (receivedAt - shortest.since > BASELINE_MS)
      this.#shortest = { since: receivedAt, now: transit, before: shortest.now }
    else shortest.now = Math.min(shortest.now, transit)
    return transit - Math.min(this.#shortest.now, this.#shortest.before)
  }

  /**
   * When the picture that comes next will be so late that a queue grows whenever it comes, by the clock of
   * `receivedAt`; null while the one before was not late, or nobody knows when the next one was captured.
   */
  get overdueAt(): number | null {
    const { late, lostMs } = this.#run()
    const everyMs = late === 0 ? null : this.#everyMs()
    if (everyMs === null) return null
    const last = this.#arrivals.at(-1)!
    const stillToLoseMs = (late === 1 ? TWO_LOSE_MS : MORE_LOSE_MS) - lostMs
    const at = last.receivedAt + everyMs + Math.max(stillToLoseMs, LATE_MS, everyMs * (LATE_TIMES - 1))
    return at - this.#toldAt < QUIET_MS ? null : at
  }

  /** When the last picture was whole, and how long after each other they are captured, ms; null where not evenly. */
  get rhythm(): { readonly wholeAt: number; readonly everyMs: number } | null {
    const everyMs = this.#everyMs()
    return everyMs === null ? null : { wholeAt: this.#arrivals.at(-1)!.receivedAt, everyMs }
  }

  /**
   * No picture came until now, ms.
   * @returns what is to be told of pictures that pile up; null where that does not say enough
   */
  overdue(now: number): PileUp | null {
    const { overdueAt } = this
    if (overdueAt === null || now < overdueAt) return null
    this.#toldAt = now
    const last = this.#arrivals.at(-1)!
    const everyMs = this.#everyMs()!
    const sinceMs = now - last.receivedAt
    return { pace: this.#pace(everyMs, sinceMs), late_ms: last.lateMs + sinceMs - everyMs }
  }

  /** Many in a row, each of them later than the one before. */
  #growing(): number | null {
    const { late, lostMs } = this.#run()
    const grows = late >= 2 && lostMs >= (late === 2 ? TWO_LOSE_MS : MORE_LOSE_MS)
    return grows ? this.#pace(0, 0) : null
  }

  /** Of the last ones that were late in a row, and one of `mediaMs` that takes `receivedMs` and more. */
  #pace(mediaMs: number, receivedMs: number): number {
    const last = this.#arrivals.at(-1)!
    const from = this.#arrivals.at(-1 - Math.min(this.#run().late, PACE_OF))!
    return (mediaMs + last.mediaAt - from.mediaAt) / (receivedMs + last.receivedAt - from.receivedAt)
  }

  /** How many up to the last one were late in a row, each after the one before, and what they lost together. */
  #run(): { late: number; lostMs: number } {
    const arrivals = this.#arrivals
    const to = arrivals.length - 1
    let from = to
    while (from > 0 && isLate(arrivals[from - 1]!, arrivals[from]!)) from--
    if (from === to) return { late: 0, lostMs: 0 }
    const [first, last] = [arrivals[from]!, arrivals[to]!]
    const lostMs = last.receivedAt - first.receivedAt - (last.mediaAt - first.mediaAt)
    return { late: to - from, lostMs }
  }

  /** How long after each other pictures are captured, ms; null where they are not evenly. */
  #everyMs(): number | null {
    const arrivals = this.#arrivals
    if (arrivals.length <= EVEN_PICTURES) return null
    let [least, most] = [Number.POSITIVE_INFINITY, 0]
    for (let at = 1; at < arrivals.length; at++) {
      const mediaMs = arrivals[at]!.mediaAt - arrivals[at - 1]!.mediaAt
      least = Math.min(least, mediaMs)
      most = Math.max(most, mediaMs)
    }
    return most <= least * EVEN_TIMES ? most : null
  }

  /** All of late are late, and it does not get better. */
  #standing(): number | null {
    const [first, last] = [this.#arrivals[0]!, this.#arrivals.at(-1)!]
    const receivedMs = last.receivedAt - first.receivedAt
    if (receivedMs < STANDING_FOR_MS || this.#arrivals.some(({ lateMs }) => lateMs < STANDING_MS)) return null
    if (last.lateMs < first.lateMs - LATE_MS) return null
    return Math.min(DRAINING_PACE, (last.mediaAt - first.mediaAt) / receivedMs)
  }
}

function isLate(before: Arrival, after: Arrival): boolean {
  const receivedMs = after.receivedAt - before.receivedAt
  const mediaMs = after.mediaAt - before.mediaAt
  return receivedMs - mediaMs > LATE_MS && receivedMs > mediaMs * LATE_TIMES
}
