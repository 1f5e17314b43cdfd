import {
  type PublisherReport,
  type ReceivedAnswer,
  receivedAnswer,
} from '../../common/wire/publisher-protocol.ts'
import { type ClockOffset, compareClocks } from './clock-offset.ts'
import type { PublisherConnection } from './publisher-connection.ts'
import {
  type PublisherStatistics,
  readSendCounters,
  type SendCounters,
  sentBetween,
} from './send-statistics.ts'
import type { SendingMedia } from './sending-media.ts'

const TICK_MS = 1_000
/** Ticks between two reports to the hub. */
const REPORT_TICKS = 5
/** Ticks between two questions to the hub about what it receives. */
const RECEIVED_TICKS = 2
/** Ticks between two looks at the hub's clock. */
const CLOCK_TICKS = 10

/** What the monitor looks at, and whom it tells. The values are those of the moment of the call. */
export interface MonitoredPublisher {
  readonly connection: PublisherConnection | null
  readonly media: SendingMedia | null
  readonly clock: ClockOffset
  /** Size of the captured picture. */
  readonly picture: PublisherReport['picture']
  /** ICE restarts so far. */
  readonly iceRestarts: number
  statistics(statistics: PublisherStatistics): void
}

/** Looks once per second at what is sent: makes statistics for the page and reports for the hub. */
export class PublisherMonitor {
  readonly #publisher: MonitoredPublisher
  readonly #timer: ReturnType<typeof setInterval>
  #ticks = 0
  #media: SendingMedia | null = null
  #last: SendCounters | null = null
  #received: ReceivedAnswer | null = null

  constructor(publisher: MonitoredPublisher) {
    this.#publisher = publisher
    this.#timer = setInterval(() => void this.#tick(), TICK_MS)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #tick(): Promise<void> {
    const { connection, media, clock } = this.#publisher
    this.#ticks++
    if (connection !== null && this.#ticks % CLOCK_TICKS === 0) void compareClocks(connection, clock)
    const report = await media?.getStats().catch(() => null)
    if (!report || media !== this.#publisher.media) return
    const counters = readSendCounters(report, performance.now())
    const before = media === this.#media ? this.#last : null
    if (media !== this.#media) this.#received = null
    if (connection !== null && this.#ticks % RECEIVED_TICKS === 0) void this.#askWhatArrives(connection)
    this.#media = media
    this.#last = counters
    if (before === null) return
    const { iceRestarts } = this.#publisher
    const statistics = { ...sentBetween(before, counters, this.#received), iceRestarts }
    this.#publisher.statistics(statistics)
    if (this.#ticks % REPORT_TICKS === 0) this.#report(statistics)
  }

  /** An older hub does not answer this. */
  async #askWhatArrives(connection: PublisherConnection): Promise<void> {
    const media = this.#media
    const answer = await connection.request('received', {}).catch(() => null)
    if (media === this.#media) this.#received = receivedAnswer.safeParse(answer).data ?? null
  }

  #report({ videoKbps, audioKbps, overheadKbps, rttMs, loss, framesPerSecond }: PublisherStatistics): void {
    const { connection, clock, picture } = this.#publisher
    connection?.report({
      ...(picture && { picture }),
      bitrate_kbps: videoKbps + audioKbps + (overheadKbps ?? 0),
      rtt_ms: rttMs,
      loss: Math.min(1, loss),
      frames_per_second: Math.min(1000, framesPerSecond),
      clock_ahead_ms: clock.offsetMs === null ? null : -clock.offsetMs,
    })
  }
}
