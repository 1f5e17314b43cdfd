import { Demuxer } from '../../common/mpegts/demuxer.ts'
import type { StreamEntry } from '../../common/mpegts/psi-tables.ts'
import { H264Packetizer } from '../../common/rtp/h264-packetizer.ts'
import type { Cursors, LaneAttachment } from '../../common/wire/lane-ipc.ts'
import { LaneOutputs } from '../lane/lane-outputs.ts'
import { CaptureMap } from './capture-map.ts'
import type { PictureCounts } from './picture-watch.ts'
import type { AudioTrackSink } from './pipeline-audio-track.ts'
import type { AacToOpus, PipelineLimits, PipelineSink, PipelineStats } from './pipeline-types.ts'
import { defaultLimits } from './pipeline-types.ts'
import type { VideoTrack, VideoTrackSink } from './pipeline-video-track.ts'
import { ProgramGate } from './program-gate.ts'
import { chooseTracks, hiddenTrack, noTracks, type ProgramTracks } from './program-tracks.ts'
import { RateMeter } from './rate-meter.ts'
import { refusals } from './refusals.ts'

export type {
  AacToOpus,
  CaptureMapping,
  IssueKind,
  PipelineLimits,
  PipelineSink,
  PipelineStats,
  ProgramDescription,
  Refusal,
  RefusalCode,
} from './pipeline-types.ts'

const captureReportEveryMs = 500
/** While pictures wait for a keyframe, the pipeline asks this often, ms: the last keyframe may have been lost. */
const keyframeRequestEveryMs = 500
/** Renditions of one picture arrive within the time of a few pictures. */
const maxWaitingPictures = 4

export interface PipelineOptions {
  readonly sink: PipelineSink
  /** Null when AAC can't be converted here. AAC is then left out. */
  readonly aac: AacToOpus | null
  /** Unix ms, may be fractional. */
  readonly now: () => number
  readonly limits?: Partial<PipelineLimits>
}

interface WaitingPicture {
  readonly packetizer: H264Packetizer
  readonly pts: number
}

/**
 * From MPEG-TS bytes to RTP packets, without any I/O: demultiplexes, judges whether browsers can play the stream, and
 * sends each access unit the moment it is complete. Nothing here throws, whatever bytes arrive, and all memory is
 * bounded.
 */
export class IngestPipeline implements Disposable {
  readonly #sink: PipelineSink
  readonly #aac: AacToOpus | null
  readonly #now: () => number
  readonly #limits: PipelineLimits
  readonly #demuxer: Demuxer
  readonly #gate: ProgramGate
  readonly #outputs: LaneOutputs
  readonly #packetizer = new H264Packetizer()
  /** A keyframe and the pictures after it, while another track keeps the gate closed. They leave if it opens soon. */
  readonly #waiting = new Map<VideoTrack, WaitingPicture[]>()
  readonly #capture = new CaptureMap()
  readonly #videoSink: VideoTrackSink
  readonly #audioSink: AudioTrackSink
  #meters = new Map<number, RateMeter>()
  #tracks: ProgramTracks = noTracks
  /** Tracks by rendition index. */
  #renditions: VideoTrack[] = []
  readonly #pictures = { announced: false, arrived: 0, sent: 0, leftOut: 0 }
  /** Renditions whose pictures can't be decoded before the next keyframe, because an earlier picture was cut short. */
  readonly #undecodable = new Set<VideoTrack>()
  /** Tracks whose last packets were scrambled. */
  readonly #scrambled = new Set<number>()
  #startMs = -1
  #bytes = 0
  #pushMs = 0
  #capturedAtMs = Number.NEGATIVE_INFINITY
  #keyframeAskedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: PipelineOptions) {
    const { sink } = options
    this.#sink = sink
    this.#aac = options.aac
    this.#now = options.now
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#outputs = new LaneOutputs({
      rtp: (packet) => sink.rtp(packet),
      keyframeRequest: (rendition) => sink.keyframeRequest(rendition),
      ptsReset: () => sink.issue('pts_reset', {}),
    })
    this.#gate = new ProgramGate(
      {
        program: (program) => {
          this.#bind()
          sink.program(program)
        },
        refused: (refusal) => {
          this.#outputs.stop()
          sink.refused(refusal)
        },
        recovered: () => sink.recovered(),
        videoMissing: () => sink.issue('video_missing', {}),
      },
      this.#limits,
    )
    this.#videoSink = {
      accessUnit: (track, pts, keyframe) => this.#onAccessUnit(track, pts, keyframe),
      damaged: (track) => {
        this.#pictures.leftOut += 1
        sink.issue('access_unit_dropped', { pid: track.pid })
        this.#outputs.skipVideo(this.#renditions.indexOf(track))
      },
      cutShort: (track) => {
        this.#pictures.leftOut += 1
        this.#undecodable.add(track)
        sink.issue('access_unit_dropped', { pid: track.pid })
        const rendition = this.#renditions.indexOf(track)
        this.#outputs.skipVideo(rendition)
        this.#outputs.stopRendition(rendition)
        this.#askForKeyframe()
      },
    }
    this.#audioSink = {
      opus: (data, from, to, pts, samples) => this.#onOpus(data, from, to, pts, samples),
      gap: () => this.#outputs.skipAudio(),
      issue: (kind, pid) => sink.issue(kind, { pid }),
      latm: () => this.#dropLatm(),
    }
    this.#demuxer = new Demuxer(
      {
        program: (streams) => this.#onProgram(streams),
        unit: (pid, data, from, to, pts) => {
          this.#scrambled.delete(pid)
          this.#track(pid)?.unit(data, from, to, pts, this.#pushMs)
        },
        lost: (pid) => this.#track(pid)?.drop(),
        temi: (pts32, unixMs) => this.#capture.stamp(pts32, unixMs),
        issue: (kind, pid) => {
          if (kind === 'scrambled' && pid !== undefined) this.#scrambled.add(pid)
          sink.issue(kind, pid === undefined ? {} : { pid })
        },
      },
      this.#limits,
    )
  }

  /** Takes the receiver's output, cut anywhere. Sends everything that it completes before it returns. */
  push(ts: Uint8Array): void {
    this.#pushMs = this.#now()
    if (this.#startMs < 0) this.#startMs = this.#pushMs
    this.#bytes += ts.length
    this.#demuxer.push(ts)
    if (!this.#gate.open) this.#evaluate()
  }

  /** Call it a few times a second. Pictures that wait for a successor which stays away leave then. */
  tick(): void {
    this.#pushMs = this.#now()
    for (const track of this.#tracks.video) track.tick(this.#pushMs)
  }

  /** Ends the transcoder. */
  [Symbol.dispose](): void {
    this.#outputs.detach()
    this.#aac?.[Symbol.dispose]()
  }

  /** Opens the output. Each rendition starts with its next keyframe. May be called again with another layout. */
  attach(attachment: LaneAttachment): void {
    this.#outputs.attach(attachment)
  }

  /** From now on nothing leaves. The positions of sequence numbers and clock are kept. */
  detach(): void {
    this.#outputs.detach()
  }

  /** All positions, for a successor process. Cheap enough for a call every 100 ms. */
  cursors(): Cursors {
    return this.#outputs.cursors()
  }

  /** Takes RTCP that came back: sends lost packets again, and passes keyframe requests on. */
  rtcp(packet: Uint8Array): void {
    this.#outputs.feedback(packet)
  }

  /** Sends one RTCP sender report per SSRC; call it about once a second. */
  senderReports(): void {
    this.#outputs.senderReports(this.#now())
  }

  /** The input flow was replaced, e.g. by a restarted sender: forgets what was open, keeps the lane's continuity. */
  reset(): void {
    this.#startMs = -1
    this.#bytes = 0
    this.#waiting.clear()
    this.#scrambled.clear()
    this.#demuxer.reset()
    for (const track of this.#tracks.video) track.restart()
    this.#tracks.audio?.restart()
    this.#capture.forget()
    this.#outputs.interrupt()
    this.#gate.restart()
  }

  /** Counts of the pictures so far; always the same object. */
  get pictures(): PictureCounts {
    return this.#pictures
  }

  stats(): PipelineStats {
    const nowMs = this.#now()
    const video = this.#renditions.map((track, rendition) => {
      const rates = this.#rates(track.pid, nowMs, track.bytes, track.accessUnits)
      const { pid, accessUnits, dropped, gopFrames, keyframeGapMs } = track
      return {
        pid,
        rendition,
        accessUnits,
        dropped,
        gopFrames,
        keyframeGapMs,
        ...counters(this.#outputs.videoOutput(rendition)),
        kbps: rates.kbps,
        fps: rates.perSecond,
      }
    })
    const { audio } = this.#tracks
    return {
      video,
      audio: audio && {
        pid: audio.pid,
        accessUnits: audio.accessUnits,
        dropped: audio.dropped,
        ...counters(this.#outputs.audioOutput),
        kbps: this.#rates(audio.pid, nowMs, audio.bytes, audio.accessUnits).kbps,
      },
      bufferedBytes:
        this.#demuxer.bufferedBytes +
        this.#outputs.bufferedBytes +
        this.#tracks.video.reduce((sum, track) => sum + track.bufferedBytes, 0),
    }
  }

  #onProgram(streams: readonly StreamEntry[]): void {
    this.#choose(
      chooseTracks(streams, this.#tracks, {
        video: this.#videoSink,
        audio: this.#audioSink,
        aac: this.#aac,
        maxRenditions: this.#limits.maxRenditions,
        maxVideoBytes: this.#limits.maxVideoPesBytes,
        issue: (kind, pid) => this.#sink.issue(kind, { pid }),
      }),
    )
  }

  #choose(tracks: ProgramTracks): void {
    if (tracks.audio?.description.source !== 'aac') this.#aac?.rest()
    this.#tracks = tracks
    this.#pictures.announced = tracks.video.length > 0
    this.#undecodable.clear()
    this.#waiting.clear()
    this.#scrambled.clear()
    // A program that comes late has its own time to prove itself.
    if (this.#pushMs - this.#startMs >= this.#limits.probationMs) {
      this.#startMs = this.#pushMs
      this.#gate.restart()
    }
    const { maxVideoPesBytes, maxAudioPesBytes } = this.#limits
    const selections = tracks.video.map(({ pid }) => ({ pid, maxBytes: maxVideoPesBytes }))
    if (tracks.audio) selections.push({ pid: tracks.audio.pid, maxBytes: maxAudioPesBytes })
    this.#demuxer.select(selections)
    this.#meters = new Map(selections.map(({ pid }) => [pid, this.#meters.get(pid) ?? new RateMeter()]))
    // An announced program goes on with new tracks under its old PIDs.
    this.#bind()
    this.#evaluate()
  }

  /** Sound that is announced as ADTS and is LATM is left out from now on. */
  #dropLatm(): void {
    const { audio } = this.#tracks
    if (!audio) return
    this.#sink.issue('audio_unsupported', { pid: audio.pid })
    this.#choose({ ...this.#tracks, audio: null, audioRefusal: refusals.audioLatm(audio.pid) })
  }

  #evaluate(): void {
    this.#gate.evaluate({
      ...this.#tracks,
      scrambledPid: hiddenTrack(this.#tracks, this.#scrambled),
      sinceStartMs: this.#pushMs - this.#startMs,
      bytes: this.#bytes,
    })
  }

  /** Ties outputs to the tracks that carry their renditions now. An output that changes track waits for a keyframe. */
  #bind(): void {
    const old = this.#renditions
    const video = this.#gate.program?.video ?? []
    this.#renditions = video.flatMap(({ pid }) => this.#tracks.video.find((track) => track.pid === pid) ?? [])
    this.#renditions.forEach((track, rendition) => {
      if (track !== old[rendition]) this.#outputs.stopRendition(rendition)
    })
  }

  #onAccessUnit(track: VideoTrack, pts: number, keyframe: boolean): void {
    const wasOpen = this.#gate.open
    this.#pictures.arrived += 1
    if (keyframe) this.#undecodable.delete(track)
    else if (this.#undecodable.has(track)) this.#pictures.leftOut += 1
    this.#evaluate()
    if (!wasOpen) {
      if (this.#gate.open) this.#sendWaiting(track)
      else this.#keep(track, pts, keyframe)
    }
    const rendition = this.#renditions.indexOf(track)
    if (!track.ready) this.#outputs.stopRendition(rendition)
    else if (this.#gate.open && this.#outputs.wants(rendition, keyframe)) {
      this.#packetizer.clear()
      track.fill(this.#packetizer, keyframe)
      this.#send(rendition, this.#packetizer, pts)
      return
    }
    if (!track.keyframeSeen || this.#outputs.waits(rendition)) this.#askForKeyframe()
  }

  #askForKeyframe(): void {
    if (this.#pushMs - this.#keyframeAskedAtMs < keyframeRequestEveryMs) return
    this.#keyframeAskedAtMs = this.#pushMs
    this.#sink.keyframeRequest(null)
  }

  #keep(track: VideoTrack, pts: number, keyframe: boolean): void {
    const kept = keyframe && track.ready ? [] : this.#waiting.get(track)
    this.#waiting.delete(track)
    if (!kept || kept.length === maxWaitingPictures) return
    const packetizer = new H264Packetizer()
    track.fill(packetizer, keyframe)
    packetizer.own()
    kept.push({ packetizer, pts })
    this.#waiting.set(track, kept)
  }

  /** @param opener the track whose access unit opened the gate and leaves next */
  #sendWaiting(opener: VideoTrack): void {
    for (const [track, pictures] of this.#waiting) {
      const rendition = this.#renditions.indexOf(track)
      if (track === opener || !this.#outputs.wants(rendition, true)) continue
      for (const { packetizer, pts } of pictures) this.#send(rendition, packetizer, pts)
    }
    this.#waiting.clear()
  }

  #send(rendition: number, packetizer: H264Packetizer, pts: number): void {
    const captured = this.#capture.captured(pts)
    const captureUnixMs = captured ?? this.#pushMs
    const rtp90k = this.#outputs.sendVideo(rendition, packetizer, pts, this.#pushMs, captureUnixMs)
    if (rtp90k !== null) this.#pictures.sent += 1
    if (rtp90k === null || this.#pushMs - this.#capturedAtMs < captureReportEveryMs) return
    this.#capturedAtMs = this.#pushMs
    this.#sink.capture({ rtp90k, captureUnixMs, source: captured === null ? 'arrival' : 'sender' })
  }

  #onOpus(data: Buffer, from: number, to: number, pts: number, samples: number): void {
    if (!this.#gate.open) return
    if (!this.#outputs.sendAudio(data, from, to, pts, samples, this.#now())) {
      this.#sink.issue('access_unit_dropped', this.#tracks.audio ? { pid: this.#tracks.audio.pid } : {})
    }
  }

  #track(pid: number): VideoTrack | ProgramTracks['audio'] {
    for (const track of this.#tracks.video) if (track.pid === pid) return track
    return this.#tracks.audio?.pid === pid ? this.#tracks.audio : null
  }

  #rates(pid: number, nowMs: number, bytes: number, units: number): { kbps: number; perSecond: number } {
    return this.#meters.get(pid)?.read(nowMs, bytes, units) ?? { kbps: 0, perSecond: 0 }
  }
}

function counters(output: { packets: number; resent: number; octets: number } | null): {
  packets: number
  resent: number
  bytes: number
} {
  return { packets: output?.packets ?? 0, resent: output?.resent ?? 0, bytes: output?.octets ?? 0 }
}
