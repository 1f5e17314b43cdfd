import { randomInt } from 'node:crypto'
import { clearNals, closeNal, createNalIndex, scanNals } from '../../common/h264/annex-b.ts'
import { Demuxer } from '../../common/mpegts/demuxer.ts'
import { elementaryCodec } from '../../common/mpegts/elementary-codec.ts'
import { type OpusAccessUnit, readOpusAccessUnit } from '../../common/opus/opus-access-unit.ts'
import { H264Packetizer } from '../../common/rtp/h264-packetizer.ts'
import { HeaderExtensions } from '../../common/rtp/header-extensions.ts'
import { RtpOutput } from '../../common/rtp/rtp-output.ts'

const MAX_UNIT_BYTES = 4 * 1024 * 1024
const MAX_SOUND_BYTES = 8 * 1024
/** SRTP adds up to 20 bytes, UDP and IPv6 48. */
const MAX_PACKET_BYTES = 1200
/** Sound at 48 kHz, PTS at 90 kHz. */
const SOUND_PER_PTS = 48 / 90
/** A rendition without a picture for this long has been stopped, 90 kHz. */
const STOPPED_TICKS = 45_000
const NAL_IDR = 5
const NO_EXTENSIONS = new HeaderExtensions({ abs_capture_time: 0, playout_delay: 0 }, null)
/** Browsers show a picture as soon as it is there: a network of one hop needs no buffer. */
const AT_ONCE = new HeaderExtensions({ abs_capture_time: 0, playout_delay: 14 }, { min: 0, max: 0 })
/** Where the id of the only header extension is in a picture's packets (RFC 8285 section 4.2). */
export const EXTENSION_AT = 16

export interface DirectPackets {
  /**
   * One RTP packet each, whose SSRC and payload type are the viewer's own, and so is the id of its playout delay. Its
   * bytes stay for this call only.
   */
  video(packet: Buffer): void
  audio(packet: Buffer): void
}

/**
 * Makes the RTP packets for viewers of the sender's own network out of its MPEG-TS: of the largest rendition that
 * flows, and of its sound. Nothing is encoded again.
 */
export class DirectMedia {
  readonly #demuxer: Demuxer
  readonly #nals = createNalIndex()
  readonly #packetizer = new H264Packetizer()
  readonly #opus: OpusAccessUnit = { from: 0, to: 0 }
  readonly #video: RtpOutput
  readonly #audio: RtpOutput
  /** PIDs of the renditions, ascending by size. */
  #renditions: number[] = []
  #sound = -1
  /** The PID that is shown, and the PTS of its last picture. */
  #shown = -1
  #shownPts = 0

  constructor(packets: DirectPackets) {
    const output = (send: (packet: Buffer) => void) =>
      new RtpOutput({
        ssrc: 1,
        payloadType: 96,
        sequence: randomInt(0x10000),
        maxPacketBytes: MAX_PACKET_BYTES,
        keep: 1,
        send,
      })
    this.#video = output((packet) => packets.video(packet))
    this.#audio = output((packet) => packets.audio(packet))
    this.#demuxer = new Demuxer(
      {
        program: (streams) => {
          const of = (media: string) =>
            streams.filter((stream) => elementaryCodec(stream).media === media).map(({ pid }) => pid)
          this.#renditions = of('video')
          this.#sound = of('audio')[0] ?? -1
          this.#demuxer.select([
            ...this.#renditions.map((pid) => ({ pid, maxBytes: MAX_UNIT_BYTES })),
            ...(this.#sound < 0 ? [] : [{ pid: this.#sound, maxBytes: MAX_SOUND_BYTES }]),
          ])
        },
        unit: (pid, data, from, to, pts) => {
          if (pid === this.#sound) this.#onSound(data, from, to, pts)
          else this.#onPicture(pid, data, from, to, pts)
        },
        lost: () => {},
        temi: () => {},
        issue: () => {},
      },
      { maxStreams: 16, maxPids: 64 },
    )
  }

  /** Takes whole TS packets of the encoder. */
  push(ts: Buffer): void {
    this.#demuxer.push(ts)
  }

  #onPicture(pid: number, data: Buffer, from: number, to: number, pts: number): void {
    clearNals(this.#nals, from)
    scanNals(data, to, this.#nals)
    closeNal(data, to, this.#nals)
    if (this.#nals.damaged || this.#nals.count === 0) return
    if (pid !== this.#shown && !this.#takesOver(pid, data, pts)) return
    this.#shown = pid
    this.#shownPts = pts
    this.#packetizer.clear()
    for (let nal = 0; nal < this.#nals.count; nal += 1)
      this.#packetizer.add(data, this.#nals.starts[nal]!, this.#nals.ends[nal]!)
    this.#packetizer.send(this.#video, pts % 2 ** 32, AT_ONCE)
  }

  /** Whether an IDR of another rendition is shown from now on: of a larger one, or where the shown one has stopped. */
  #takesOver(pid: number, data: Buffer, pts: number): boolean {
    const { count, starts } = this.#nals
    let isIdr = false
    for (let nal = 0; nal < count; nal += 1) isIdr ||= (data[starts[nal]!]! & 0x1f) === NAL_IDR
    if (!isIdr) return false
    const isLarger = this.#renditions.indexOf(pid) > this.#renditions.indexOf(this.#shown)
    return isLarger || Math.abs(pts - this.#shownPts) > STOPPED_TICKS
  }

  #onSound(data: Buffer, from: number, to: number, pts: number): void {
    let at = from
    while (readOpusAccessUnit(data, at, to, this.#opus)) {
      const { from: begin, to: end } = this.#opus
      const room = this.#audio.begin(Math.floor(pts * SOUND_PER_PTS) % 2 ** 32, NO_EXTENSIONS.plain)
      data.copy(this.#audio.memory, room, begin, end)
      this.#audio.end(end - begin, false)
      at = end
    }
  }
}
