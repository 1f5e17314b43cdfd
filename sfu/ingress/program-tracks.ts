import { type ElementaryCodec, elementaryCodec } from '../../common/mpegts/elementary-codec.ts'
import type { StreamEntry } from '../../common/mpegts/psi-tables.ts'
import { AacTrack, type AudioTrack, type AudioTrackSink, OpusTrack } from './pipeline-audio-track.ts'
import type { AacToOpus, IssueKind, Refusal } from './pipeline-types.ts'
import { VideoTrack, type VideoTrackSink } from './pipeline-video-track.ts'
import { refusals } from './refusals.ts'

/** The tracks taken from a program, and what was left out. */
export interface ProgramTracks {
  readonly video: readonly VideoTrack[]
  readonly audio: AudioTrack | null
  readonly audioRefusal: Refusal | null
  readonly unsupportedVideo: Refusal | null
}

export const noTracks: ProgramTracks = { video: [], audio: null, audioRefusal: null, unsupportedVideo: null }

export interface TrackMakers {
  readonly video: VideoTrackSink
  readonly audio: AudioTrackSink
  readonly aac: AacToOpus | null
  readonly maxRenditions: number
  /** Largest access unit of a picture. */
  readonly maxVideoBytes: number
  readonly issue: (kind: IssueKind, pid: number) => void
}

interface Candidate {
  readonly pid: number
  readonly codec: ElementaryCodec
}

/**
 * Chooses what to forward: every H.264 stream up to the limit as a rendition, and one sound, Opus before AAC. Tracks
 * that stay in the program stay the same objects.
 */
export function chooseTracks(
  streams: readonly StreamEntry[],
  old: ProgramTracks,
  makers: TrackMakers,
): ProgramTracks {
  const candidates = streams.map((stream) => ({ pid: stream.pid, codec: elementaryCodec(stream) }))
  return { ...chooseVideo(candidates, old, makers), ...chooseAudio(candidates, old, makers) }
}

/** PID of the program's main track, if nothing of that track came in clear; or null. @param scrambled PIDs */
export function hiddenTrack({ video, audio }: ProgramTracks, scrambled: ReadonlySet<number>): number | null {
  const track = video[0] ?? audio
  return track && !track.alive && scrambled.has(track.pid) ? track.pid : null
}

function chooseVideo(
  candidates: readonly Candidate[],
  old: ProgramTracks,
  makers: TrackMakers,
): Pick<ProgramTracks, 'video' | 'unsupportedVideo'> {
  const video: VideoTrack[] = []
  let unsupported: Refusal | null = null
  for (const { pid, codec } of candidates) {
    if (codec.media !== 'video') continue
    if (codec.codec === 'h264' && video.length < makers.maxRenditions) {
      video.push(
        old.video.find((track) => track.pid === pid) ??
          new VideoTrack(pid, makers.video, makers.maxVideoBytes),
      )
    } else {
      if (codec.codec === 'unsupported') unsupported ??= refusals.unsupportedVideo(pid, codec.name)
      makers.issue('video_ignored', pid)
    }
  }
  return { video, unsupportedVideo: video.length === 0 ? unsupported : null }
}

function chooseAudio(
  candidates: readonly Candidate[],
  old: ProgramTracks,
  makers: TrackMakers,
): Pick<ProgramTracks, 'audio' | 'audioRefusal'> {
  let audio: AudioTrack | null = null
  let audioRefusal: Refusal | null = null
  for (const { pid, codec } of candidates) {
    if (codec.media !== 'audio') continue
    if (codec.codec === 'opus') {
      if (audio?.description.source !== 'opus') audio = opusTrack(pid, codec.channels, old, makers)
    } else if (codec.codec === 'aac' && makers.aac) {
      audio ??= aacTrack(pid, makers.aac, old, makers)
    } else audioRefusal ??= refuseAudio(pid, codec)
  }
  if (audio) return { audio, audioRefusal: null }
  if (audioRefusal?.pid != null) makers.issue('audio_unsupported', audioRefusal.pid)
  return { audio, audioRefusal }
}

function opusTrack(pid: number, channels: number, old: ProgramTracks, makers: TrackMakers): AudioTrack {
  const known = old.audio?.description
  if (old.audio && known?.source === 'opus' && known.pid === pid && known.channels === channels)
    return old.audio
  return new OpusTrack(pid, channels, makers.audio)
}

function aacTrack(pid: number, aac: AacToOpus, old: ProgramTracks, makers: TrackMakers): AudioTrack {
  if (old.audio?.pid === pid && old.audio.description.source === 'aac') return old.audio
  return new AacTrack(pid, aac, makers.audio)
}

function refuseAudio(pid: number, codec: Extract<ElementaryCodec, { media: 'audio' }>): Refusal {
  if (codec.codec === 'aac-latm') return refusals.audioLatm(pid)
  if (codec.codec === 'unsupported') return refusals.audioUnsupported(pid, codec.name)
  return refusals.audioUnsupported(pid, 'AAC, which this server is not set up to convert')
}
