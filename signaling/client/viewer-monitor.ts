import { type ViewerReport, viewerPathSchema } from '../../common/wire/viewer-protocol.ts'
import type { ContractSession } from './contract-session.ts'
import { median } from './glass-to-glass.ts'
import type { HubConnection } from './hub-connection.ts'
import type { MediaSession } from './media-session.ts'
import { between, type ReceiveCounters, type ReceiveInterval, readCounters } from './receive-statistics.ts'
import { RelayedShare } from './relayed-share.ts'

const TICK_MS = 1_000
/** Ticks between two reports to the hub. The first goes at once, so that the hub knows of the viewer. */
const REPORT_TICKS = 5
/** Ticks between two looks at the hub's clock. */
const CLOCK_TICKS = 10
/** Without a byte for this long although the stream is live, the path to this page is broken, ms. */
const STALL_MS = 3_000
/** With packets but without a picture for this long, the monitor asks for an IDR, ms. */
const STUCK_MS = 1_500

/** What a viewer measured over the last second. Times in ms, bitrates in kb/s, loss 0 to 1. */
export interface ViewerStatistics extends ReceiveInterval {
  readonly width: number
  readonly height: number
  readonly jitterMs: number
  readonly rttMs: number | null
  /** Null while it can't be measured. */
  readonly glassToGlassMs: number | null
  readonly captureSource: 'sender' | 'arrival' | null
  /** Positive: the picture is ahead of the sound. */
  readonly lipSyncMs: number | null
  /** From the start of the connection to the first picture. */
  readonly joinMs: number | null
  /** Freezes since the connection was made (W3C webrtc-stats, `freezeCount`). */
  readonly freezesTotal: number
  readonly framesDroppedTotal: number
  readonly spatialLayer: number | null
  /** What the hub sends of the picture, and why no more. */
  readonly picture: ContractSession['picture']
  /** The most video the contract allows now. */
  readonly grantedKbps: number | null
  readonly protocol: string | null
  /** ICE restarts since the connection was made: the network changed, and the media went on over another path. */
  readonly iceRestarts: number
  /** URL of the relay that media comes through; null for a direct path. */
  readonly relay: string | null
}

export type MonitoredMedia = Pick<MediaSession, 'has' | 'ssrc' | 'consumerId' | 'getStats'>

/** What the monitor looks at, and whom it tells. The values are those of the moment of the call. */
export interface Monitored {
  readonly session: ContractSession | null
  /** What comes: from the hub, or from the sender itself. */
  readonly media: MonitoredMedia | null
  /** The hub holds the picture back. */
  readonly paused: boolean
  /** Whether media must arrive now. */
  readonly expectsMedia: boolean
  readonly joinMs: number | null
  /** Media was decoded. This works in a hidden page too, which gets no frames. */
  delivered(): void
  statistics(statistics: ViewerStatistics): void
}

/** Looks once per second at what arrives: statistics for the page, reports for the hub, and a watch for stalls. */
export class ViewerMonitor {
  readonly #viewer: Monitored
  readonly #timer: ReturnType<typeof setInterval>
  #ticks = 0
  #ticksToReport = 0
  #hub: HubConnection | null = null
  #media: MonitoredMedia | null = null
  #last: ReceiveCounters | null = null
  #lastReported: ReceiveCounters | null = null
  #lastBytesAt = performance.now()
  #lastPictureAt = performance.now()
  #agesToReport: number[] = []
  #share = new RelayedShare()

  constructor(viewer: Monitored) {
    this.#viewer = viewer
    this.#timer = setInterval(() => void this.#tick(), TICK_MS)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #tick(): Promise<void> {
    const { session } = this.#viewer
    const hub = session?.hub ?? null
    const { media } = this.#viewer
    this.#ticks++
    if (session !== null && hub !== null && this.#ticks % CLOCK_TICKS === 0)
      session.connection?.compareClocks()
    const counters = await this.#read(media)
    // While the statistics were gathered, another session or the next media may have taken over.
    if (session !== this.#viewer.session || this.#viewer.media !== media || (session?.hub ?? null) !== hub)
      return
    if (media !== this.#media || hub !== this.#hub) {
      this.#media = media
      this.#hub = hub
      this.#last = this.#lastReported = null
      this.#ticksToReport = 0
      this.#share = new RelayedShare()
      this.#lastBytesAt = this.#lastPictureAt = performance.now()
    }
    if (counters !== null && session !== null && media !== null) this.#measure(counters, session, media)
    this.#watch(counters, hub, media, this.#viewer.paused)
    this.#last = counters
  }

  async #read(media: MonitoredMedia | null): Promise<ReceiveCounters | null> {
    if (media === null) return null
    const ssrcs = { video: media.ssrc('video'), audio: media.ssrc('audio') }
    const report = await media.getStats().catch(() => null)
    return report === null ? null : readCounters(report, ssrcs, performance.now())
  }

  #measure(counters: ReceiveCounters, session: ContractSession, media: MonitoredMedia): void {
    const viewer = this.#viewer
    const pictures = media.has('video') && !viewer.paused
    const decoded = pictures ? counters.framesDecoded : counters.audioBytes
    if (decoded > 0) viewer.delivered()
    const ages = session.glassToGlass.take()
    this.#agesToReport.push(...ages)
    if (this.#last === null) return
    this.#share.add(this.#last, counters)
    viewer.statistics({
      ...between(this.#last, counters),
      width: counters.width,
      height: counters.height,
      jitterMs: counters.jitterMs,
      rttMs: counters.rttMs,
      glassToGlassMs: median(ages),
      captureSource: session.glassToGlass.source,
      lipSyncMs: counters.lipSyncMs,
      joinMs: viewer.joinMs,
      freezesTotal: counters.freezes,
      framesDroppedTotal: counters.framesDropped,
      spatialLayer: session.spatialLayer,
      picture: session.picture,
      grantedKbps: session.abr?.max_kbps ?? null,
      protocol: counters.protocol,
      iceRestarts: session.connection?.iceRestarts ?? 0,
      relay: counters.relay,
    })
    if (this.#ticksToReport-- > 0) return
    this.#ticksToReport = REPORT_TICKS - 1
    this.#report(between(this.#lastReported ?? this.#last, counters), counters, session)
    this.#lastReported = counters
  }

  #report(interval: ReceiveInterval, counters: ReceiveCounters, session: ContractSession): void {
    const age = median(this.#agesToReport)
    this.#agesToReport = []
    if (!this.#viewer.expectsMedia) return
    session.hub?.report({
      contract_id: session.contractId,
      glass_to_glass_ms: age,
      join_ms: this.#viewer.joinMs,
      jitter_ms: counters.jitterMs,
      loss: interval.loss,
      bitrate_kbps: interval.videoKbps + interval.audioKbps,
      frames_per_second: interval.framesPerSecond,
      freezes: interval.freezes,
      ...(session.connection?.takesPaths && this.#path(counters)),
    })
  }

  /** How media comes, where it comes at all. */
  #path({ protocol, relay, rttMs }: ReceiveCounters): Pick<ViewerReport, 'path'> {
    const parsed = viewerPathSchema.safeParse({
      relayed: relay !== null,
      protocol,
      relay: relay || null,
      rtt_ms: rttMs,
      relayed_share: this.#share.value,
    })
    return parsed.success ? { path: parsed.data } : {}
  }

  #watch(
    counters: ReceiveCounters | null,
    hub: HubConnection | null,
    media: MonitoredMedia | null,
    paused: boolean,
  ): void {
    const { expectsMedia } = this.#viewer
    const now = performance.now()
    const before = this.#last
    const bytes = (of: ReceiveCounters | null) => (of === null ? 0 : of.videoBytes + of.audioBytes)
    // While the hub holds the picture back, none comes, and the sound may be off.
    if (!expectsMedia || hub === null || paused || bytes(counters) > bytes(before)) this.#lastBytesAt = now
    const pictures = counters?.framesDecoded ?? 0
    const videoBytes = counters?.videoBytes ?? 0
    if (pictures > (before?.framesDecoded ?? 0) || videoBytes === (before?.videoBytes ?? 0)) {
      this.#lastPictureAt = now
    }
    if (now - this.#lastBytesAt >= STALL_MS) {
      this.#viewer.session?.connection?.stalled('no media arrived')
      return
    }
    const consumer = media?.consumerId('video') ?? null
    if (now - this.#lastPictureAt >= STUCK_MS && hub !== null && consumer !== null) {
      this.#lastPictureAt = now
      void hub.request('request-keyframe', { consumer_id: consumer }).catch(() => {})
    }
  }
}
