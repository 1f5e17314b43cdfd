import type { H264Packetizer } from '../../common/rtp/h264-packetizer.ts'
import { HeaderExtensions } from '../../common/rtp/header-extensions.ts'
import { RtpOutput } from '../../common/rtp/rtp-output.ts'
import type { Cursors, LaneAttachment, LaneTrack } from '../../common/wire/lane-ipc.ts'
import { createTrackClock, LaneClock, type TrackClock } from './lane-clock.ts'
import { readFeedback } from './rtcp-feedback.ts'
import { encodeSenderReport } from './sender-report.ts'

/** Largest RTP packet of video: leaves room for SRTP, UDP, IPv6 and a tunnel in 1280 bytes. */
const videoPacketBytes = 1200
/** Opus is not fragmented; 20 ms at the highest bitrate fit, and an Ethernet frame still holds it. */
const audioPacketBytes = 1400
const videoPacketsKept = 512
const audioPacketsKept = 64
/** An Opus packet whose PTS is off by less than this follows its predecessor without a gap, samples at 48 kHz. */
const seamless = 480
/** Most SSRCs remembered over changes of layout. */
const maxKnown = 16
const noExtension = Buffer.alloc(0)

interface LaneOutput {
  readonly rtp: RtpOutput
  clock: TrackClock
  /** A keyframe (video) or any packet (sound) left since the last interruption. */
  started: boolean
  /** Where the next Opus packet is expected, samples at 48 kHz. */
  nextSample: number
}

export interface LaneOutputsSink {
  rtp(packet: Buffer): void
  keyframeRequest(rendition: number): void
  ptsReset(): void
}

/**
 * The RTP side of a lane: one output per rendition and one for sound, on one clock. Sequence numbers and timestamps go
 * on over detaching, changes of layout and replaced input.
 */
export class LaneOutputs {
  readonly #sink: LaneOutputsSink
  readonly #known = new Map<number, LaneOutput>()
  #video: LaneOutput[] = []
  #audio: LaneOutput | null = null
  #extensions = new HeaderExtensions({ playout_delay: 0, abs_capture_time: 0 }, null)
  #clock: LaneClock | null = null
  #cname = ''

  constructor(sink: LaneOutputsSink) {
    this.#sink = sink
  }

  attach(attachment: LaneAttachment): void {
    if (!this.#clock?.isSame(attachment.clock)) {
      this.#clock = new LaneClock(attachment.clock, () => this.#sink.ptsReset())
      for (const output of this.#known.values()) output.clock = createTrackClock()
    }
    this.#cname = attachment.cname
    this.#extensions = new HeaderExtensions(attachment.extension_ids, attachment.playout_delay_ms)
    this.#video = attachment.video.map((track) => this.#output(track, videoPacketBytes, videoPacketsKept))
    this.#audio = attachment.audio ? this.#output(attachment.audio, audioPacketBytes, audioPacketsKept) : null
    const active = new Set([...this.#video, this.#audio])
    for (const [ssrc, output] of this.#known) {
      if (this.#known.size > maxKnown && !active.has(output)) this.#known.delete(ssrc)
    }
    this.stop()
  }

  detach(): void {
    this.#video = []
    this.#audio = null
  }

  /** Makes every output wait for its next keyframe. */
  stop(): void {
    for (const output of this.#video) output.started = false
  }

  /** Makes one rendition wait for its next keyframe. */
  stopRendition(rendition: number): void {
    const output = this.#video[rendition]
    if (output) output.started = false
  }

  /** The input was replaced: PTS begin again, and receivers must see that something is missing in between. */
  interrupt(): void {
    this.#clock?.interrupt()
    for (const output of this.#audio ? [...this.#video, this.#audio] : this.#video) {
      if (output.started) output.rtp.skip()
      output.started = false
    }
  }

  /** Whether an access unit of this rendition would leave now. */
  wants(rendition: number, keyframe: boolean): boolean {
    const output = this.#video[rendition]
    return output !== undefined && (output.started || keyframe)
  }

  /** Whether this rendition waits for a keyframe. */
  waits(rendition: number): boolean {
    return this.#video[rendition]?.started === false
  }

  /**
   * Sends the access unit in the packetizer.
   * @param captureUnixMs sent as `abs-capture-time`
   * @returns its RTP timestamp
   */
  sendVideo(
    rendition: number,
    packetizer: H264Packetizer,
    pts: number,
    nowMs: number,
    captureUnixMs: number,
  ): number | null {
    const output = this.#video[rendition]
    if (!output || !this.#clock) return null
    output.started = true
    const timestamp = this.#clock.ticks(output.clock, pts, nowMs) >>> 0
    this.#extensions.stamp(captureUnixMs)
    packetizer.send(output.rtp, timestamp, this.#extensions)
    return timestamp
  }

  /** @returns false when the Opus packet `data[from..to)` is too large to send */
  sendAudio(data: Buffer, from: number, to: number, pts: number, samples: number, nowMs: number): boolean {
    const output = this.#audio
    if (!output || !this.#clock) return true
    if (to - from > output.rtp.room(noExtension)) {
      output.rtp.skip()
      return false
    }
    const exact = Math.round((this.#clock.ticks(output.clock, pts, nowMs) * 48) / 90)
    const sample = Math.abs(exact - output.nextSample) <= seamless ? output.nextSample : exact
    output.nextSample = sample + samples
    output.started = true
    const at = output.rtp.begin(sample, noExtension)
    data.copy(output.rtp.memory, at, from, to)
    output.rtp.end(to - from, false)
    return true
  }

  /** Something of this rendition is missing, and its viewers must notice. */
  skipVideo(rendition: number): void {
    const output = this.#video[rendition]
    if (output?.started) output.rtp.skip()
  }

  skipAudio(): void {
    if (this.#audio?.started) this.#audio.rtp.skip()
  }

  /** RTCP from the receiver. */
  feedback(data: Uint8Array): void {
    readFeedback(data, {
      nack: (ssrc, sequence) => this.#video.find(({ rtp }) => rtp.ssrc === ssrc)?.rtp.resend(sequence),
      keyframe: (ssrc) => {
        const rendition = this.#video.findIndex(({ rtp }) => rtp.ssrc === ssrc)
        if (rendition >= 0) this.#sink.keyframeRequest(rendition)
      },
    })
  }

  /** One sender report for each SSRC that sends. All tell the same lane time and wall time, whatever the PTS did. */
  senderReports(nowMs: number): void {
    if (!this.#clock) return
    const ticks = this.#clock.wallTicks(nowMs)
    for (const output of this.#audio ? [...this.#video, this.#audio] : this.#video) {
      if (output.rtp.packets === 0) continue
      const report = encodeSenderReport({
        ssrc: output.rtp.ssrc,
        cname: this.#cname,
        unixMs: nowMs,
        rtpTimestamp: output === this.#audio ? Math.round((ticks * 48) / 90) : ticks,
        packets: output.rtp.packets,
        octets: output.rtp.octets,
      })
      this.#sink.rtp(report)
    }
  }

  cursors(): Cursors {
    const sequences = Array.from(this.#known, ([ssrc, { rtp }]): [number, number] => [ssrc, rtp.sequence])
    return { sequences, clock: this.#clock?.state ?? null }
  }

  /** Counters of a rendition's output, if it is attached. */
  videoOutput(rendition: number): RtpOutput | null {
    return this.#video[rendition]?.rtp ?? null
  }

  get audioOutput(): RtpOutput | null {
    return this.#audio?.rtp ?? null
  }

  get bufferedBytes(): number {
    let bytes = 0
    for (const { rtp } of this.#known.values()) bytes += rtp.memory.length
    return bytes
  }

  /** An SSRC that was already sending goes on from there: `sequence` may be older than what has left since. */
  #output(track: LaneTrack, maxPacketBytes: number, keep: number): LaneOutput {
    const known = this.#known.get(track.ssrc)
    if (known) {
      known.rtp.payloadType = track.payload_type
      return known
    }
    const send = (packet: Buffer): void => this.#sink.rtp(packet)
    const rtp = new RtpOutput({ ...track, payloadType: track.payload_type, maxPacketBytes, keep, send })
    const output = { rtp, clock: createTrackClock(), started: false, nextSample: Number.NEGATIVE_INFINITY }
    this.#known.set(track.ssrc, output)
    return output
  }
}
