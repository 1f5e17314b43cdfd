import type { types } from 'mediasoup'
import { z } from 'zod'
import { unixMsOfNtp } from '../common/ntp-time.ts'

/** Media counts as stopped after this many times the usual time between two reports... */
const SILENT_REPORTS = 3
/** ...and not earlier than this, ms: browsers report video every second, and their reports may be lost. */
const SILENT_MS = 4000

/** One RTCP sender report (RFC 3550 section 6.4.1). */
export interface SenderReport {
  readonly ssrc: number
  /** When the report was written, in unix ms by the sender's clock. */
  readonly senderUnixMs: number
  /** The RTP timestamp of that moment. */
  readonly rtpTimestamp: number
}

const reportInfo = z.object({
  ssrc: z.number(),
  ntpSec: z.number(),
  ntpFrac: z.number(),
  rtpTs: z.number(),
  packetCount: z.number(),
})

export interface ArrivalListener {
  changed(): void
  reported(report: SenderReport): void
}

/**
 * Whether a producer's media still arrives, judged by what mediasoup reports by itself: the scores of the encodings,
 * and the packet counts of the sender's reports. A report comes about once a second. Nothing is polled.
 */
export class ArrivalWatch implements Disposable {
  readonly #producer: types.Producer
  readonly #listener: ArrivalListener
  readonly #packets = new Map<number, number>()
  #arriving = false
  #lastProgress: number | null = null
  #usualGapMs = 0
  #silence: NodeJS.Timeout | undefined

  private constructor(producer: types.Producer, listener: ArrivalListener) {
    this.#producer = producer
    this.#listener = listener
    this.#arriving = producer.score.some(({ score }) => score > 0)
    producer.on('score', (scores) => this.#set(scores.some(({ score }) => score > 0)))
    producer.on('trace', ({ type, info }) => {
      const report = type === 'sr' ? reportInfo.safeParse(info) : null
      if (report?.success) this.#onReport(report.data)
    })
    producer.observer.once('close', () => this[Symbol.dispose]())
  }

  /** @throws when the producer closes meanwhile */
  static async of(producer: types.Producer, listener: ArrivalListener): Promise<ArrivalWatch> {
    const watch = new ArrivalWatch(producer, listener)
    await producer.enableTraceEvent(['sr'])
    return watch
  }

  get arriving(): boolean {
    return this.#arriving
  }

  /** Media is expected again: it has the usual time to come. */
  expect(): void {
    if (this.#lastProgress !== null) this.#waitAgain()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silence)
  }

  #onReport({ ssrc, ntpSec, ntpFrac, rtpTs, packetCount }: z.infer<typeof reportInfo>): void {
    this.#listener.reported({ ssrc, senderUnixMs: unixMsOfNtp(ntpSec, ntpFrac), rtpTimestamp: rtpTs })
    const before = this.#packets.get(ssrc)
    this.#packets.set(ssrc, packetCount)
    if (before === packetCount) return
    const now = performance.now()
    if (this.#lastProgress !== null && this.#arriving)
      this.#usualGapMs = Math.max(now - this.#lastProgress, this.#usualGapMs * 0.75)
    this.#lastProgress = now
    this.#waitAgain()
    this.#set(true)
  }

  #waitAgain(): void {
    clearTimeout(this.#silence)
    const wait = Math.max(SILENT_MS, SILENT_REPORTS * this.#usualGapMs)
    this.#silence = setTimeout(() => this.#set(false), wait).unref()
  }

  #set(arriving: boolean): void {
    // Reported even without a change: what is expected may have changed meanwhile.
    this.#arriving = arriving && !this.#producer.closed
    this.#listener.changed()
  }
}
