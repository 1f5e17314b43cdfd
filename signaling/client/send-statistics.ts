import type { ReceivedAnswer } from '../../common/wire/publisher-protocol.ts'
import { selectedPath } from './selected-path.ts'

/** Counters of one encoding of a track at one moment, from `getStats()` (W3C webrtc-stats, `outbound-rtp`). */
interface LayerCounters {
  readonly name: string
  readonly active: boolean
  readonly bytes: number
  readonly repairBytes: number
  readonly frames: number
  readonly width: number
  readonly height: number
}

/** Counters of one moment. Counters that the browser does not give are 0. */
export interface SendCounters {
  /** `performance.now()` of the reading, ms. */
  readonly at: number
  readonly audioBytes: number
  readonly layers: readonly LayerCounters[]
  /** Share of packets that the hub missed lately, 0 to 1. */
  readonly loss: number
  readonly rttMs: number | null
  /** The browser's estimate of what the path carries, kb/s. */
  readonly availableKbps: number | null
  /** Why the encoder sends less than asked for: `none`, `cpu`, `bandwidth` or `other`. */
  readonly limitation: string
  readonly codec: string | null
  readonly protocol: string | null
}

export interface LayerStatistics {
  readonly name: string
  readonly active: boolean
  /** Media, kb/s. */
  readonly kbps: number
  readonly framesPerSecond: number
  readonly width: number
  readonly height: number
}

/** What a publisher sent over the last second. Times in ms, bitrates in kb/s, loss 0 to 1. */
export interface SentInterval
  extends Pick<SendCounters, 'loss' | 'rttMs' | 'availableKbps' | 'limitation' | 'codec' | 'protocol'> {
  /** Media alone, as the hub receives it. Until the hub has said, all that is sent. */
  readonly videoKbps: number
  readonly audioKbps: number
  /**
   * Repair and padding, which the browser counts as its smallest layer's; null until the hub has said how much is
   * media. Browsers pad while they send several layers and have less to send than these layers may take. Padding keeps
   * their estimate high, so that there is room at once when the scene gets busy.
   */
  readonly overheadKbps: number | null
  /** Of the largest picture that is sent. */
  readonly framesPerSecond: number
  readonly width: number
  readonly height: number
  /** Smallest first. One entry without layers, or where the layers are within (SVC). */
  readonly layers: readonly LayerStatistics[]
}

/** The same, with what happened so far. */
export interface PublisherStatistics extends SentInterval {
  /** ICE restarts: the network changed, and the media went on over another path. */
  readonly iceRestarts: number
}

type Stat = Readonly<Record<string, unknown>>

export function readSendCounters(report: RTCStatsReport, at: number): SendCounters {
  const stats = [...report.values()] as Stat[]
  const outbound = stats.filter((stat) => stat['type'] === 'outbound-rtp')
  const video = newestOf(outbound.filter((stat) => stat['kind'] === 'video'))
  const remote = stats.filter((stat) => stat['type'] === 'remote-inbound-rtp')
  const { rttMs, availableKbps, protocol } = selectedPath(stats)
  const codec = stats.find((stat) => stat['id'] === video[0]?.['codecId'])
  return {
    at,
    audioBytes: sum(
      outbound.filter((stat) => stat['kind'] === 'audio').map((stat) => number(stat, 'bytesSent')),
    ),
    layers: video.map(layerOf).sort((one, other) => one.name.localeCompare(other.name)),
    loss: Math.max(0, ...remote.map((stat) => number(stat, 'fractionLost'))),
    rttMs,
    availableKbps,
    limitation: text(video.at(-1), 'qualityLimitationReason') ?? 'none',
    codec: text(codec, 'mimeType')?.replace(/^video\//, '') ?? null,
    protocol,
  }
}

/** The media section of the present producer: the counters of one that was replaced by another codec stand still. */
function newestOf(video: readonly Stat[]): readonly Stat[] {
  const mids = video.map((stat) => Number(text(stat, 'mid') ?? 0))
  const newest = Math.max(...mids)
  return video.filter((_, index) => mids[index] === newest)
}

/**
 * What happened between two readings of the same transport.
 * @param received what the hub received lately; null where it has not said
 */
export function sentBetween(
  before: SendCounters,
  after: SendCounters,
  received: ReceivedAnswer | null = null,
): SentInterval {
  const elapsed = Math.max(0.001, (after.at - before.at) / 1000)
  const rate = (from: number, to: number) => Math.max(0, to - from) / elapsed
  let sentKbps = 0
  const layers = after.layers.map((layer, index): LayerStatistics => {
    const none = { bytes: 0, repairBytes: 0, frames: 0 }
    const old = before.layers.find(({ name }) => name === layer.name) ?? none
    const kbps = (rate(old.bytes, layer.bytes) * 8) / 1000
    const repairKbps = (rate(old.repairBytes, layer.repairBytes) * 8) / 1000
    const arrivedKbps = received?.video_kbps[index] ?? Number.POSITIVE_INFINITY
    sentKbps += kbps
    return {
      name: layer.name,
      active: layer.active,
      kbps: Math.max(0, Math.min(kbps - repairKbps, arrivedKbps)),
      framesPerSecond: rate(old.frames, layer.frames),
      width: layer.width,
      height: layer.height,
    }
  })
  const largest = layers.findLast(({ framesPerSecond }) => framesPerSecond > 0) ?? layers.at(-1)
  const videoKbps = sum(layers.map(({ kbps }) => kbps))
  const { loss, rttMs, availableKbps, limitation, codec, protocol } = after
  return {
    loss,
    rttMs,
    availableKbps,
    limitation,
    codec,
    protocol,
    layers,
    videoKbps,
    overheadKbps: received === null ? null : sentKbps - videoKbps,
    audioKbps: (rate(before.audioBytes, after.audioBytes) * 8) / 1000,
    framesPerSecond: largest?.framesPerSecond ?? 0,
    width: largest?.width ?? 0,
    height: largest?.height ?? 0,
  }
}

function layerOf(stat: Stat): LayerCounters {
  return {
    name: text(stat, 'rid') ?? '',
    active: stat['active'] !== false,
    bytes: number(stat, 'bytesSent'),
    repairBytes: number(stat, 'retransmittedBytesSent'),
    frames: number(stat, 'framesEncoded'),
    width: number(stat, 'frameWidth'),
    height: number(stat, 'frameHeight'),
  }
}

function number(stat: Stat | undefined, name: string): number {
  const value = stat?.[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function text(stat: Stat | undefined, name: string): string | null {
  const value = stat?.[name]
  return typeof value === 'string' ? value : null
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0)
}
