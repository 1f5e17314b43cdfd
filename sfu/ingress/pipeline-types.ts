import type { DemuxIssue } from './mpegts/demuxer.ts'

export interface VideoDescription {
  readonly pid: number
  /** 0 is the smallest picture; the index of the output that carries it. */
  readonly rendition: number
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** H.264 profile, for people. */
  readonly profile: string
}

export interface AudioDescription {
  readonly pid: number
  /** What the sender sends; what leaves is Opus in either case. */
  readonly source: 'opus' | 'aac'
  /** 1 or 2, of the Opus that leaves. */
  readonly channels: number
}

/** What arrives and can be shown. */
export interface ProgramDescription {
  /** Ascending by pixels; empty for sound alone. */
  readonly video: readonly VideoDescription[]
  readonly audio: AudioDescription | null
  /** Why the sender's sound is left out, if it is. */
  readonly audioRefusal: Refusal | null
}

export type RefusalCode =
  | 'b_frames'
  | 'interlaced'
  | 'unsupported_format'
  | 'unsupported_video'
  | 'no_keyframe'
  | 'keyframes_lost'
  | 'no_media'
  | 'scrambled'
  | 'audio_unsupported'
  | 'audio_latm'

/** Why something is not shown, in words for the person at the encoder. */
export interface Refusal {
  readonly code: RefusalCode
  readonly message: string
  readonly pid: number | null
}

/** Low-cardinality names of what can be wrong with the input; each occurrence is reported once. */
export type IssueKind =
  | DemuxIssue
  | 'pts_reset'
  | 'access_unit_dropped'
  | 'audio_malformed'
  | 'audio_unsupported'
  | 'video_ignored'
  | 'video_missing'

/** When the picture of an RTP timestamp was captured. */
export interface CaptureMapping {
  /** RTP timestamp (32 bit, 90 kHz) of a video access unit. */
  readonly rtp90k: number
  readonly captureUnixMs: number
  /** `sender`: from its TEMI stamps. `arrival`: it does not stamp, and this is when the picture was complete here. */
  readonly source: 'sender' | 'arrival'
}

export interface PipelineSink {
  /** One RTP or RTCP packet to send now. A video packet's bytes stay valid until 512 more were made, audio 64. */
  rtp(packet: Buffer): void
  /** What arrives is known to be good, or its layout changed. Outputs keep their rendition index across changes. */
  program(program: ProgramDescription): void
  /** What arrives must not be shown; no RTP leaves until {@link recovered}. */
  refused(refusal: Refusal): void
  /** The cause of the refusal is gone. */
  recovered(): void
  /** At most twice a second. */
  capture(mapping: CaptureMapping): void
  issue(kind: IssueKind, detail: { readonly pid?: number }): void
  /** A viewer needs a keyframe of this rendition (not limited in rate), or pictures wait for one: null, of all. */
  keyframeRequest(rendition: number | null): void
}

export interface TrackStats {
  readonly pid: number
  readonly accessUnits: number
  readonly dropped: number
  readonly packets: number
  readonly resent: number
  /** RTP payload bytes sent. */
  readonly bytes: number
  /** Of the elementary stream as received, over the time since the previous call. */
  readonly kbps: number
}

export interface VideoStats extends TrackStats {
  readonly rendition: number
  readonly fps: number
  /** Frames between the last two keyframes, 0 before the second. */
  readonly gopFrames: number
  /** Media time between them, ms; 0 before the second. */
  readonly keyframeGapMs: number
}

export interface PipelineStats {
  readonly video: readonly VideoStats[]
  readonly audio: TrackStats | null
  /** Memory of all assembly buffers and retransmission rings, bytes. */
  readonly bufferedBytes: number
}

/** Turns AAC into Opus; see `audio/aac-transcoder.ts`. */
export interface AacToOpus extends Disposable {
  /** Who gets the Opus packets: 48 kHz stereo, `pts` on the clock of the frames that were written. */
  onOpus(listener: (packet: Buffer, pts: number) => void): void
  /**
   * Takes one ADTS frame, copying what it needs.
   * @param pts 33 bit, 90 kHz
   * @param ticks its duration at 90 kHz
   * @param configuration a different value means that the decoder has to start anew
   */
  write(frame: Buffer, pts: number, ticks: number, configuration: number): void
  /** No AAC comes for now: costs nothing, and gives nothing, until the next frame. */
  rest(): void
}

export interface PipelineLimits {
  /** H.264 streams that are taken as renditions. */
  readonly maxRenditions: number
  /** Elementary streams of a program that are looked at. */
  readonly maxStreams: number
  /** Distinct PIDs after which `too_many_pids` is reported. */
  readonly maxPids: number
  /** Largest PES packets, bytes. */
  readonly maxVideoPesBytes: number
  readonly maxAudioPesBytes: number
  /** Media time, ms, within which everything has to be known. */
  readonly probationMs: number
  /** Bytes within which any stream names its program, and ms after which even one of fewer must have. */
  readonly programBytes: number
  readonly programMs: number
  /** Longest media time between keyframes of a stream that is being shown, ms. */
  readonly maxKeyframeGapMs: number
}

export const defaultLimits: PipelineLimits = {
  maxRenditions: 4,
  maxStreams: 32,
  maxPids: 64,
  maxVideoPesBytes: 4 * 1024 * 1024,
  maxAudioPesBytes: 64 * 1024,
  // a verdict is promised within 2 s of a flow's start, and RIST's buffer and the next access unit come on top
  probationMs: 1_800,
  // a stream of a picture in ten seconds sends its tables no more often
  programBytes: 32 * 1024,
  programMs: 15_000,
  // two GOPs of the longest usual kind: one keyframe may be lost
  maxKeyframeGapMs: 21_000,
}
