/** RTP clock of video, ticks per ms (90 kHz). */
const TICKS_PER_MS = 90
/** A picture is late when its distance to the picture before grew by this much between capture and arrival, ms... */
const LATE_MS = 20
const LATE_TIMES = 1.4
/** Pictures late in a row that show a fast growing queue: two that lose this much together, ms, or more pictures. */
const TWO_LOSE_MS = 150
const MORE_LOSE_MS = 110
/** The last pictures of such a run tell the pace at which pictures arrive. */
const PACE_OF = 3
/** The next picture's time is known if at least this many recent pictures were captured evenly. */
const EVEN_PICTURES = 8
const EVEN_TIMES = 1.5
/** Recent pictures that are all at least this late, without improvement, show a slowly growing queue, ms. */
const STANDING_MS = 200
const STANDING_FOR_MS = 1_500
/** The pace that is reported for a standing queue: less than what comes, so that the queue drains. */
const DRAINING_PACE = 0.9
/** A report is not repeated for this long, ms. A standing queue must drain first. */
const QUIET_MS = 300
const QUIET_STANDING_MS = 5_000
/** A longer gap means that the stream stood still, ms. */
const GAP_MS = 1_000
/** How far back the fastest picture is looked for, ms. */
const BASELINE_MS = 5_000

/** What the hub hears about pictures that pile up in front of the viewer's link. */
export interface PileUp {
  /** The pace at which pictures arrive, as a share (0 to 1) of the pace of their capture. */
  readonly pace: number
  /** How much later than with an empty queue the last picture came, or is already. */
  readonly late_ms: number
}

interface Arrival {
  readonly receivedAt: number
  /** Time of the capture by the stream's own clock, ms. */
  readonly mediaAt: number
  /** How much longer the picture took than the fastest recent picture, ms. */
  readonly lateMs: number
}

/**
 * Sees a queue grow in front of the viewer's link, from the times at which pictures arrive and were captured. It sees
 * the queue long before anything is lost, and before the sender's estimate falls.
 */
export class PaceWatch {
  readonly #arrivals: Arrival[] = []
  #lastTimestamp = 0
  /** The shortest transit of the present stretch of time and of the one before. Their zero is arbitrary. */
  #shortest = { since: 0, now: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY }
  #toldAt = Number.NEGATIVE_INFINITY

  /**
   * Takes one picture: the arrival of its last packet, ms, and its RTP timestamp.
   * @returns the report about pictures that pile up; null where they don't
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
   * The time at which the next picture will be so late that a queue grows whenever it comes, by the clock of
   * `receivedAt`; null while the last picture was not late, or where the next capture is unknown.
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

  /** When the last picture was whole, and the time between captures, ms; null where captures are uneven. */
  get rhythm(): { readonly wholeAt: number; readonly everyMs: number } | null {
    const everyMs = this.#everyMs()
    return everyMs === null ? null : { wholeAt: this.#arrivals.at(-1)!.receivedAt, everyMs }
  }

  /**
   * No picture has come until now, ms.
   * @returns the report about pictures that pile up; null where the time says too little
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

  /** The pace, if many pictures in a row were each later than the one before. */
  #growing(): number | null {
    const { late, lostMs } = this.#run()
    const grows = late >= 2 && lostMs >= (late === 2 ? TWO_LOSE_MS : MORE_LOSE_MS)
    return grows ? this.#pace(0, 0) : null
  }

  /** The pace of the last late pictures in a row, and of a picture of `mediaMs` that takes at least `receivedMs`. */
  #pace(mediaMs: number, receivedMs: number): number {
    const last = this.#arrivals.at(-1)!
    const from = this.#arrivals.at(-1 - Math.min(this.#run().late, PACE_OF))!
    return (mediaMs + last.mediaAt - from.mediaAt) / (receivedMs + last.receivedAt - from.receivedAt)
  }

  /** How many pictures up to the last one were late in a row, each against the picture before, and their sum, ms. */
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

  /** The time between captures, ms; null where captures are uneven. */
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

  /** The lateness, if all recent pictures are late without improvement. */
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
