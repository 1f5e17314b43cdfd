import type { DemuxIssue } from '../../common/mpegts/demuxer.ts'

export interface VideoDescription {
  readonly pid: number
  /** The index of the output that carries this rendition; 0 is the smallest picture. */
  readonly rendition: number
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** H.264 profile, for people. */
  readonly profile: string
}

export interface AudioDescription {
  readonly pid: number
  /** The sender's codec. Opus leaves in either case. */
  readonly source: 'opus' | 'aac'
  /** 1 or 2, for the Opus that leaves. */
  readonly channels: number
}

/** What arrives and can be shown. */
export interface ProgramDescription {
  /** Ascending by pixels; empty for a stream with sound only. */
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

/** Low-cardinality names of faults of the input. Each occurrence is reported once. */
export type IssueKind =
  | DemuxIssue
  | 'pts_reset'
  | 'access_unit_dropped'
  | 'audio_malformed'
  | 'audio_unsupported'
  | 'video_ignored'
  | 'video_missing'

/** The capture time of a picture, by its RTP timestamp. */
export interface CaptureMapping {
  /** RTP timestamp (32 bit, 90 kHz) of a video access unit. */
  readonly rtp90k: number
  readonly captureUnixMs: number
  /** `sender`: from its TEMI stamps. `arrival`: the sender does not stamp, and the picture was complete here then. */
  readonly source: 'sender' | 'arrival'
}

export interface PipelineSink {
  /**
   * One RTP or RTCP packet to send now. Its bytes stay valid until 512 more video packets were made, or 64 of audio.
   */
  rtp(packet: Buffer): void
  /** The input is known to be good, or its layout changed. Outputs keep their rendition index across changes. */
  program(program: ProgramDescription): void
  /** The input must not be shown. No RTP leaves until {@link recovered}. */
  refused(refusal: Refusal): void
  /** The cause of the refusal is gone. */
  recovered(): void
  /** At most twice a second. */
  capture(mapping: CaptureMapping): void
  issue(kind: IssueKind, detail: { readonly pid?: number }): void
  /** A viewer needs a keyframe of this rendition (not limited in rate), or pictures of all (null) wait for one. */
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
  /** Bitrate of the elementary stream as received, since the previous call. */
  readonly kbps: number
}

export interface VideoStats extends TrackStats {
  readonly rendition: number
  readonly fps: number
  /** Frames between the last two keyframes; 0 before the second. */
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
  /** Registers the receiver of the Opus packets: 48 kHz stereo, `pts` on the clock of the frames that were written. */
  onOpus(listener: (packet: Buffer, pts: number) => void): void
  /**
   * Takes one ADTS frame and copies what it needs.
   * @param pts 33 bit, 90 kHz
   * @param ticks duration at 90 kHz
   * @param configuration a new value means that the decoder must start again
   */
  write(frame: Buffer, pts: number, ticks: number, configuration: number): void
  /** No AAC comes for now. Costs nothing and gives nothing until the next frame. */
  rest(): void
}

export interface PipelineLimits {
  /** Most H.264 streams that are taken as renditions. */
  readonly maxRenditions: number
  /** Most elementary streams of a program that are looked at. */
  readonly maxStreams: number
  /** Number of distinct PIDs above which `too_many_pids` is reported. */
  readonly maxPids: number
  /** Largest PES packets, bytes. */
  readonly maxVideoPesBytes: number
  readonly maxAudioPesBytes: number
  /** Media time within which everything must be known, ms. */
  readonly probationMs: number
  /** Bytes within which every stream names its program, and the time in which even a slow stream must, ms. */
  readonly programBytes: number
  readonly programMs: number
  /** Longest media time between keyframes of a stream that is shown, ms. */
  readonly maxKeyframeGapMs: number
}

export const defaultLimits: PipelineLimits = {
  maxRenditions: 4,
  maxStreams: 32,
  maxPids: 64,
  maxVideoPesBytes: 4 * 1024 * 1024,
  maxAudioPesBytes: 64 * 1024,
  // A verdict is promised within 2 s of a flow's start. RIST's buffer and the next access unit take part of that.
  probationMs: 1_800,
  // A stream of one picture in ten seconds sends its tables no more often.
  programBytes: 32 * 1024,
  programMs: 15_000,
  // Two GOPs of the longest usual kind, because one keyframe may be lost.
  maxKeyframeGapMs: 21_000,
}
