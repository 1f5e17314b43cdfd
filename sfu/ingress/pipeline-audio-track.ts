import { opusSamples, readOpusAccessUnit } from '../../common/opus/opus-access-unit.ts'
import { addToPts } from '../../common/pts.ts'
import { AdtsFramer } from './audio/adts-framer.ts'
import type { AacToOpus, AudioDescription, IssueKind } from './pipeline-types.ts'

export interface AudioTrackSink {
  /** One Opus packet in `data[from..to)` that lasts `samples` at 48 kHz; valid during the call. */
  opus(data: Buffer, from: number, to: number, pts: number, samples: number): void
  /** At least one Opus packet is missing before the next. */
  gap(): void
  issue(kind: IssueKind, pid: number): void
  /** The stream announces AAC in ADTS, but it is AAC in LATM. */
  latm(): void
}

export interface AudioTrack {
  readonly pid: number
  readonly description: AudioDescription
  /** At least one unit was received. */
  readonly alive: boolean
  readonly accessUnits: number
  readonly dropped: number
  /** Bytes received. */
  readonly bytes: number
  /** @param pts 33 bit, 90 kHz, or -1 when the PES packet has none */
  unit(data: Buffer, from: number, to: number, pts: number): void
  drop(): void
  restart(): void
}

/** Samples at 48 kHz to ticks at 90 kHz. */
const ticksPerSample = 90 / 48
const unit = { from: 0, to: 0 }

/** Opus in MPEG-TS: takes the Opus packets out. Nothing is transcoded. */
export class OpusTrack implements AudioTrack {
  readonly pid: number
  readonly description: AudioDescription
  readonly #sink: AudioTrackSink
  #nextPts = -1
  alive = false
  accessUnits = 0
  dropped = 0
  bytes = 0

  constructor(pid: number, channels: number, sink: AudioTrackSink) {
    this.pid = pid
    this.description = { pid, source: 'opus', channels }
    this.#sink = sink
  }

  unit(data: Buffer, from: number, to: number, pts: number): void {
    this.alive = true
    this.bytes += to - from
    let at = from
    let now = pts >= 0 ? pts : this.#nextPts
    if (now < 0) return // nothing tells when to play it
    while (at < to) {
      const samples = readOpusAccessUnit(data, at, to, unit) ? opusSamples(data, unit.from, unit.to) : 0
      if (samples === 0) {
        this.#sink.issue('audio_malformed', this.pid)
        this.drop()
        return
      }
      at = unit.to
      this.accessUnits += 1
      this.#sink.opus(data, unit.from, unit.to, now, samples)
      now = addToPts(now, samples * ticksPerSample)
    }
    this.#nextPts = now
  }

  drop(): void {
    this.dropped += 1
    this.#nextPts = -1
    this.#sink.gap()
  }

  restart(): void {
    this.#nextPts = -1
  }
}

/** AAC in ADTS: cuts AAC into frames for the transcoder, and passes on the Opus that comes back. */
export class AacTrack implements AudioTrack {
  readonly pid: number
  readonly description: AudioDescription
  readonly #sink: AudioTrackSink
  readonly #framer: AdtsFramer
  alive = false
  accessUnits = 0
  dropped = 0
  bytes = 0

  constructor(pid: number, transcoder: AacToOpus, sink: AudioTrackSink) {
    this.pid = pid
    this.description = { pid, source: 'aac', channels: 2 }
    this.#sink = sink
    this.#framer = new AdtsFramer({
      frame: (data, from, to, pts, ticks, configuration) => {
        this.accessUnits += 1
        transcoder.write(data.subarray(from, to), pts, ticks, configuration)
      },
      malformed: (latm) => {
        sink.issue('audio_malformed', pid)
        if (latm) sink.latm()
      },
    })
    transcoder.onOpus((packet, pts) => {
      const samples = opusSamples(packet, 0, packet.length)
      if (samples > 0) sink.opus(packet, 0, packet.length, pts, samples)
    })
  }

  unit(data: Buffer, from: number, to: number, pts: number): void {
    this.alive = true
    this.bytes += to - from
    this.#framer.push(data, from, to, pts)
  }

  drop(): void {
    this.dropped += 1
    this.#framer.drop()
    this.#sink.gap()
  }

  restart(): void {
    this.#framer.drop()
  }
}
