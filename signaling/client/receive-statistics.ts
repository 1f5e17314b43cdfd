import { selectedPath } from './selected-path.ts'

/** Counters of one moment, from a browser's `getStats()` (W3C webrtc-stats). Counters that it does not give are 0. */
export interface ReceiveCounters {
  /** `performance.now()` of the reading, ms. */
  readonly at: number
  readonly videoBytes: number
  readonly audioBytes: number
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly framesDecoded: number
  readonly framesDropped: number
  readonly freezes: number
  /** Interarrival jitter (RFC 3550, section 6.4.1), in ms. */
  readonly jitterMs: number
  /** Seconds that all frames together waited in the jitter buffer, and the number of these frames. */
  readonly bufferedSeconds: number
  readonly bufferedFrames: number
  readonly width: number
  readonly height: number
  /** Round trip of the last ICE check, in ms; null before the first. */
  readonly rttMs: number | null
  /** Video minus audio playout of one capture time, ms. Positive: the picture is early. null where unknown. */
  readonly lipSyncMs: number | null
  /** `udp` or `tcp`, once connected; to a relay also `tls`. */
  readonly protocol: string | null
  /** URL of the relay that media comes through; null for a direct path. */
  readonly relay: string | null
}

/** What happened between two readings. */
export interface ReceiveInterval {
  readonly videoKbps: number
  readonly audioKbps: number
  readonly framesPerSecond: number
  /** Share of packets that never came, even by retransmission, 0 to 1. */
  readonly loss: number
  readonly freezes: number
  readonly framesDropped: number
  /** Mean time of a frame in the jitter buffer, ms; null when no frame left the buffer. */
  readonly jitterBufferMs: number | null
}

interface Ssrcs {
  readonly video: number | null
  readonly audio: number | null
}

type Stat = Readonly<Record<string, unknown>>

const number = (stat: Stat | undefined, name: string): number => {
  const value = stat?.[name]
  return typeof value === 'number' ? value : 0
}

/** Reads the counters of received video and audio from a browser's report. */
export function readCounters(report: ReadonlyMap<string, Stat>, ssrcs: Ssrcs, at: number): ReceiveCounters {
  const stats = [...report.values()]
  const inbound = (ssrc: number | null) =>
    stats.find((stat) => stat.type === 'inbound-rtp' && ssrc !== null && stat.ssrc === ssrc)
  const video = inbound(ssrcs.video)
  const audio = inbound(ssrcs.audio)
  const counted = video ?? audio
  const { rttMs, protocol, relay } = selectedPath(stats)
  const playout = [
    number(video, 'estimatedPlayoutTimestamp'),
    number(audio, 'estimatedPlayoutTimestamp'),
  ] as const
  return {
    at,
    videoBytes: number(video, 'bytesReceived'),
    audioBytes: number(audio, 'bytesReceived'),
    packetsReceived: number(counted, 'packetsReceived'),
    packetsLost: number(counted, 'packetsLost'),
    framesDecoded: number(video, 'framesDecoded'),
    framesDropped: number(video, 'framesDropped'),
    freezes: number(video, 'freezeCount'),
    jitterMs: number(counted, 'jitter') * 1000,
    bufferedSeconds: number(video, 'jitterBufferDelay'),
    bufferedFrames: number(video, 'jitterBufferEmittedCount'),
    width: number(video, 'frameWidth'),
    height: number(video, 'frameHeight'),
    rttMs,
    lipSyncMs: playout[0] > 0 && playout[1] > 0 ? playout[0] - playout[1] : null,
    protocol,
    relay,
  }
}

/** Difference of two readings of the same session. Counters that went back (a new session) count as no progress. */
export function between(before: ReceiveCounters, after: ReceiveCounters): ReceiveInterval {
  const seconds = Math.max(0.001, (after.at - before.at) / 1000)
  const grown = (of: (counters: ReceiveCounters) => number) => Math.max(0, of(after) - of(before))
  const received = grown((counters) => counters.packetsReceived)
  // A late retransmission makes the counter of lost packets go back.
  const lost = grown((counters) => counters.packetsLost)
  const left = grown((counters) => counters.bufferedFrames)
  return {
    videoKbps: (grown((counters) => counters.videoBytes) * 8) / 1000 / seconds,
    audioKbps: (grown((counters) => counters.audioBytes) * 8) / 1000 / seconds,
    framesPerSecond: grown((counters) => counters.framesDecoded) / seconds,
    loss: received + lost > 0 ? lost / (received + lost) : 0,
    freezes: grown((counters) => counters.freezes),
    framesDropped: grown((counters) => counters.framesDropped),
    jitterBufferMs: left > 0 ? (grown((counters) => counters.bufferedSeconds) * 1000) / left : null,
  }
}
