import type { types } from 'mediasoup'
import {
  type DeliveryReport,
  estimateFromReport,
  freshBandwidth,
  type ReportedBandwidth,
} from '../policy/reported-bandwidth.ts'

/** Receivers report about once a second. */
const LOOK_EVERY_MS = 1000

export interface ReportedViewer {
  /** The consumer that counts. */
  readonly video: () => types.Consumer | undefined
  /** What would let the viewer have its next layer, kb/s; null while it has what it wants. */
  readonly goalKbps: () => number | null
  /** Hears each estimate, kb/s. */
  readonly estimated: (availableKbps: number) => void
}

/**
 * Estimates what a viewer's link carries from its RTCP reports, where its receiver has other ids for the header
 * extensions that the worker's own estimate needs: once a second, the statistics of one consumer.
 */
export class ReportedEstimate implements Disposable {
  readonly #viewer: ReportedViewer
  readonly #timer: NodeJS.Timeout
  #bandwidth: ReportedBandwidth
  #lookedAt = performance.now()
  #looking = false
  #closed = false

  constructor(startKbps: number, viewer: ReportedViewer) {
    this.#bandwidth = freshBandwidth(startKbps)
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
    // A consumer that closes meanwhile has nothing to report.
    const report = await consumer.getStats().then(reportOf, () => null)
    this.#looking = false
    if (!report || this.#closed) return
    const now = performance.now()
    const passedMs = now - this.#lookedAt
    this.#bandwidth = estimateFromReport(this.#bandwidth, report, passedMs, now, this.#viewer.goalKbps())
    this.#lookedAt = now
    this.#viewer.estimated(this.#bandwidth.availableKbps)
  }
}

function reportOf(stats: readonly (types.ConsumerStat | types.ProducerStat)[]): DeliveryReport | null {
  const sent = stats.find(({ type }) => type === 'outbound-rtp')
  if (!sent) return null
  return {
    sentKbps: sent.bitrate / 1000,
    // Of RTCP: in 256ths.
    loss: sent.fractionLost / 256,
    rttMs: sent.roundTripTime === undefined || sent.roundTripTime === 0 ? null : sent.roundTripTime,
  }
}
