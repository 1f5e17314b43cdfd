import { H264Packetizer } from '../../common/rtp/h264-packetizer.ts'
import { HeaderExtensions } from '../../common/rtp/header-extensions.ts'
import { RtpOutput } from '../../common/rtp/rtp-output.ts'
import type { Cursors, LaneAttachment, LaneTrack } from '../../common/wire/lane-ipc.ts'
import { readFeedback } from '../lane/rtcp-feedback.ts'
import { encodeSenderReport } from '../lane/sender-report.ts'
import { LaneLine } from './lane-line.ts'
import type { RtpPacket } from './rtp-packet.ts'
import { SwitchedTrack } from './switched-track.ts'

/** Packets of inputs leave as they come: whatever a publisher's packets may have, with our header extensions. */
const PACKET_BYTES = 1600
/** What the slate's pictures are cut into. */
const VIDEO_KEPT = 512
const AUDIO_KEPT = 64
/** 1 ms between two renditions of one picture. */
const SAME_PICTURE_TICKS = 90
const NO_EXTENSION = Buffer.alloc(0)
/** 20 ms of silence (RFC 6716 section 3.1: CELT, full band, stereo, one frame). */
const SILENCE = Buffer.from([0xfc, 0xff, 0xfe])
const SAMPLES_PER_MS = 48

export interface SwitchedOutput {
  readonly rtp: RtpOutput
  readonly track: SwitchedTrack
}

/** The RTP side of a switched lane: an output for each rendition and one for sound, on one clock. */
export class SwitchedOutputs {
  readonly #send: (packet: Buffer) => void
  readonly #known = new Map<number, SwitchedOutput>()
  readonly #packetizer = new H264Packetizer()
  #video: readonly SwitchedOutput[] = []
  #audio: SwitchedOutput | null = null
  #extensions = new HeaderExtensions({ playout_delay: 0, abs_capture_time: 0 }, null)
  #line: LaneLine | null = null
  #cname = ''

  constructor(send: (packet: Buffer) => void) {
    this.#send = send
  }

  attach(attachment: LaneAttachment): void {
    if (!this.#line?.isSame(attachment.clock)) this.#line = new LaneLine(attachment.clock)
    this.#cname = attachment.cname
    this.#extensions = new HeaderExtensions(attachment.extension_ids, attachment.playout_delay_ms)
    this.#video = attachment.video.map((track) => this.#output(track, VIDEO_KEPT, null))
    this.#audio = attachment.audio && this.#output(attachment.audio, AUDIO_KEPT, this.#line.lastSample)
  }

  get attached(): boolean {
    return this.#line !== null && this.#video.length > 0
  }

  /** The lane's clock. Only while attached. */
  get line(): LaneLine {
    return this.#line!
  }

  get video(): readonly SwitchedOutput[] {
    return this.#video
  }

  get audio(): SwitchedOutput | null {
    return this.#audio
  }

  /**
   * An output shows an input's rendition from this packet on.
   * @param line what the input's timestamps lack to the lane's
   * @returns what this rendition's lack: a moment more where the output has shown the same picture already, smaller
   */
  begin(output: number, { sequence, timestamp }: RtpPacket, line: number): number {
    const { track } = this.#video[output]!
    const own = track.isNew(timestamp + line) ? line : (line + SAME_PICTURE_TICKS) >>> 0
    track.join(sequence, own)
    return own
  }

  /**
   * Sends an input's packet at the place that its track gave it.
   * @param captureUnixMs NaN where the packet has none
   */
  forward({ rtp, track }: SwitchedOutput, packet: RtpPacket, captureUnixMs: number): void {
    const { plain, stamped } = this.#extensions
    const extension = rtp === this.#audio?.rtp ? NO_EXTENSION : Number.isNaN(captureUnixMs) ? plain : stamped
    if (extension === stamped) this.#extensions.stamp(captureUnixMs)
    const { bytes, payloadAt } = packet
    // Padding says nothing to receivers, and its length is in its last byte.
    const end = packet.padded ? bytes.length - bytes[bytes.length - 1]! : bytes.length
    const length = Math.min(end - payloadAt, rtp.room(extension))
    if (length <= 0) return
    rtp.sequence = track.sequence
    const at = rtp.begin(track.timestamp, extension)
    bytes.copy(rtp.memory, at, payloadAt, payloadAt + length)
    rtp.end(length, packet.marker)
  }

  /**
   * Sends an access unit whose NAL units lie at `bounds` of `unit` as one picture that follows the last.
   * @param ticks its place on the lane's clock
   */
  sendPicture(
    { rtp, track }: SwitchedOutput,
    unit: Buffer,
    bounds: readonly (readonly [number, number])[],
    ticks: number,
  ): void {
    this.#packetizer.clear()
    for (const [from, to] of bounds) this.#packetizer.add(unit, from, to)
    rtp.sequence = track.begin(ticks)
    this.#packetizer.send(rtp, ticks, this.#extensions)
    track.skipTo(rtp.sequence)
  }

  /** Sends 20 ms of silence that end at `nowMs`. */
  sendSilence(nowMs: number): void {
    const output = this.#audio
    if (!output) return
    const { rtp, track } = output
    const timestamp = Math.round((this.line.position(nowMs) * SAMPLES_PER_MS) / 90) >>> 0
    if (!track.isNew(timestamp)) return
    rtp.sequence = track.begin(timestamp)
    const at = rtp.begin(timestamp, NO_EXTENSION)
    SILENCE.copy(rtp.memory, at)
    rtp.end(SILENCE.length, false)
    track.skipTo(rtp.sequence)
    this.line.soundLeft(timestamp, nowMs)
  }

  /** RTCP from the worker. */
  feedback(data: Uint8Array, keyframe: (rendition: number) => void): void {
    readFeedback(data, {
      nack: (ssrc, sequence) => this.#known.get(ssrc)?.rtp.resend(sequence),
      keyframe: (ssrc) => {
        const rendition = this.#video.findIndex(({ rtp }) => rtp.ssrc === ssrc)
        if (rendition >= 0) keyframe(rendition)
      },
    })
  }

  /** One sender report for each SSRC that sends. All tell the same lane time and wall time. */
  senderReports(unixMs: number, nowMs: number): void {
    if (!this.#line) return
    const ticks = Math.round(this.#line.ticksAt(nowMs))
    for (const { rtp } of this.#audio ? [...this.#video, this.#audio] : this.#video) {
      if (rtp.packets === 0) continue
      const rtpTimestamp = rtp === this.#audio?.rtp ? Math.round((ticks * 48) / 90) : ticks
      const { ssrc, packets, octets } = rtp
      this.#send(encodeSenderReport({ ssrc, cname: this.#cname, unixMs, rtpTimestamp, packets, octets }))
    }
  }

  cursors(): Cursors {
    const sequences = Array.from(this.#known, ([ssrc, { track }]): [number, number] => [ssrc, track.next])
    return { sequences, clock: this.#line?.state ?? null }
  }

  /** An SSRC that was already sending goes on from there: `sequence` may be older than what has left since. */
  #output(laneTrack: LaneTrack, keep: number, lastTimestamp: number | null): SwitchedOutput {
    const { ssrc, sequence, payload_type: payloadType } = laneTrack
    const known = this.#known.get(ssrc)
    if (known) {
      known.rtp.payloadType = payloadType
      return known
    }
    const send = (packet: Buffer): void => this.#send(packet)
    const rtp = new RtpOutput({ ssrc, payloadType, sequence, maxPacketBytes: PACKET_BYTES, keep, send })
    const output = { rtp, track: new SwitchedTrack(sequence, lastTimestamp) }
    this.#known.set(ssrc, output)
    return output
  }
}
