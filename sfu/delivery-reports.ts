import type { types } from 'mediasoup'
import type { DeliveryReport } from '../policy/link/reported-bandwidth.ts'

/** Receivers report about once a second. */
const LOOK_EVERY_MS = 1000

export interface ReportedViewer {
  /** The consumer that decides. */
  readonly video: () => types.Consumer | undefined
  /** Hears how the pictures of the last `passedMs` arrived. */
  readonly delivered: (report: DeliveryReport, passedMs: number) => void
}

/**
 * Tells how a viewer's pictures arrive by its RTCP reports, where its receiver has other ids for the header extensions
 * of the worker's own estimate. Once a second it reads the statistics of one consumer.
 */
export class DeliveryReports implements Disposable {
  readonly #viewer: ReportedViewer
  readonly #timer: NodeJS.Timeout
  #seen: {
    readonly consumer: types.Consumer
    readonly sent: types.ConsumerStat
    readonly at: number
  } | null = null
  #looking = false
  #closed = false

  constructor(viewer: ReportedViewer) {
    this.#viewer = viewer
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS).unref()
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    const consumer = this.#viewer.video()
    // A single layer leaves nothing to choose.
    if (!consumer || consumer.type === 'simple' || consumer.paused || this.#looking) return
    this.#looking = true
    // A consumer that closes meanwhile reports nothing.
    const sent = await consumer.getStats().then(sentOf, () => undefined)
    this.#looking = false
    if (!sent || this.#closed) return
    const now = performance.now()
    const before = this.#seen?.consumer === consumer ? this.#seen : null
    this.#seen = { consumer, sent, at: now }
    if (!before) return
    const passedMs = now - before.at
    this.#viewer.delivered(reportOf(sent, before.sent, passedMs), passedMs)
  }
}

function sentOf(stats: readonly (types.ConsumerStat | types.ProducerStat)[]): types.ConsumerStat | undefined {
  return stats.find((each): each is types.ConsumerStat => each.type === 'outbound-rtp')
}

/** What happened between two looks at one consumer's statistics, which count from the consumer's beginning. */
function reportOf(now: types.ConsumerStat, before: types.ConsumerStat, passedMs: number): DeliveryReport {
  const { fractionLost, roundTripTime } = now
  const packets = now.packetCount - before.packetCount
  // Packets that were sent again, each counted once.
  const resent = now.packetsRepaired - before.packetsRepaired
  return {
    sentKbps: ((now.byteCount - before.byteCount) * 8) / passedMs,
    // RTCP counts loss in 256ths.
    loss: fractionLost / 256,
    resent: packets > 0 ? Math.min(1, resent / packets) : 0,
    rttMs: roundTripTime === undefined || roundTripTime === 0 ? null : roundTripTime,
  }
}
