import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { writeNtpTime } from '../../../common/ntp-time.ts'
import { encodeSenderReport } from '../../../sfu/lane/sender-report.ts'

/** 2.5 Mb/s in packets as the ingress makes them: 284 a second at 30 pictures a second. */
const FPS = 30
const PAYLOAD_BYTES = 1100
export const RENDITION_KBPS = { top: 2500, low: 300 } as const
/** STAP-A with a sequence parameter set in front, which mediasoup takes for a keyframe. */
const KEYFRAME_START = Buffer.from([24, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0x04, 0x38])
const DELTA_START = Buffer.from([0x41])
const KEYFRAME_EVERY = 60
const IDLE_EVERY = 6
/** Picture Loss Indication, version 2 without padding (RFC 4585 section 6.3.1). */
const PSFB = 206
const PLI = 0x81
/** Header extensions of its packets, by the ids of a lane. */
export const EXTENSIONS = {
  absCaptureTime: { uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time', id: 13 },
  playoutDelay: { uri: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay', id: 6 },
} as const
/** RTP header with four words of extensions. */
const HEADER_BYTES = 32

/** Where one rendition goes. */
export interface RenditionTarget {
  readonly ip: string
  readonly port: number
  readonly ssrc: number
  readonly kbps: number
  readonly payloadType: number
}

/** One H.264 stream in RTP with pictures of noise, at an even bitrate, from one socket. */
export class PictureSource implements AsyncDisposable {
  /** Playing: at its bitrate. Otherwise a packet now and then, so that no rendition counts as gone. */
  playing = false
  /** Packets of the last rendition so far. */
  topSent = 0
  readonly #socket: Socket
  readonly #noise = randomBytes(PAYLOAD_BYTES)
  readonly #timer: NodeJS.Timeout
  readonly #sequences = new Map<number, number>()
  readonly #startedAt = performance.now()
  #renditions: readonly RenditionTarget[] = []
  #picture = 0
  /** A viewer waits for a keyframe, or missed one while the source stood still. */
  #keyframeAsked = false
  #owed = new Map<number, number>()

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#timer = setInterval(() => this.#catchUp(), 1000 / FPS / 2)
    socket.on('message', (rtcp) => {
      if (rtcp[1] === PSFB && rtcp[0] === PLI) this.#keyframeAsked = true
    })
  }

  static async open(): Promise<PictureSource> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new PictureSource(socket)
  }

  get port(): number {
    return this.#socket.address().port
  }

  feed(renditions: readonly RenditionTarget[]): void {
    this.#renditions = renditions
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#socket.close()
  }

  #catchUp(): void {
    const due = Math.floor(((performance.now() - this.#startedAt) * FPS) / 1000)
    // After a pause it goes on, without catching up.
    if (due - this.#picture > FPS) {
      this.#picture = due - 1
      this.#keyframeAsked = true
    }
    for (; this.#picture < due; this.#picture++)
      if (this.playing || this.#picture % IDLE_EVERY === 0) this.#sendPicture()
  }

  #sendPicture(): void {
    for (const rendition of this.#renditions) {
      // Without these reports mediasoup can't relate the renditions' timestamps, and does not switch.
      if (this.#picture % FPS === 0) this.#sendReport(rendition)
      const owed = (this.#owed.get(rendition.ssrc) ?? 0) + (rendition.kbps * 125) / FPS / PAYLOAD_BYTES
      const packets = this.playing ? Math.max(1, Math.floor(owed)) : 1
      this.#owed.set(rendition.ssrc, this.playing ? owed - packets : 0)
      for (let index = 0; index < packets; index++)
        this.#sendPacket(rendition, index === 0, index === packets - 1)
    }
    this.#keyframeAsked = false
  }

  #sendReport({ ssrc, ...to }: RenditionTarget): void {
    const packets = this.#sequences.get(ssrc) ?? 0
    const octets = packets * PAYLOAD_BYTES
    const unixMs = this.#captureMs
    const report = { ssrc, cname: 'bench', unixMs, rtpTimestamp: this.#rtpTimestamp, packets, octets }
    this.#send(encodeSenderReport(report), to)
  }

  /** As the ingress writes them: RFC 8285 section 4.2. */
  #writeExtensions(packet: Buffer): void {
    packet.writeUInt16BE(0xbede, 12)
    packet.writeUInt16BE(4, 14)
    packet[16] = (EXTENSIONS.absCaptureTime.id << 4) | 7
    writeNtpTime(packet, 17, this.#captureMs)
    packet[25] = (EXTENSIONS.playoutDelay.id << 4) | 2
  }

  get #captureMs(): number {
    return performance.timeOrigin + this.#startedAt + (this.#picture * 1000) / FPS
  }

  get #rtpTimestamp(): number {
    return ((this.#picture * 90_000) / FPS) >>> 0
  }

  #send(packet: Buffer, { ip, port }: { ip: string; port: number }): void {
    this.#socket.send(packet, port, ip)
  }

  #sendPacket({ ssrc, payloadType, ...to }: RenditionTarget, first: boolean, last: boolean): void {
    const sequence = this.#sequences.get(ssrc) ?? 1
    this.#sequences.set(ssrc, sequence + 1)
    if (ssrc === this.#renditions.at(-1)!.ssrc) this.topSent += 1
    const packet = Buffer.alloc(HEADER_BYTES + PAYLOAD_BYTES)
    packet.writeUInt16BE(0x9000 | (last ? 0x80 : 0) | payloadType, 0)
    packet.writeUInt16BE(sequence & 0xffff, 2)
    packet.writeUInt32BE(this.#rtpTimestamp, 4)
    packet.writeUInt32BE(ssrc, 8)
    this.#writeExtensions(packet)
    this.#noise.copy(packet, HEADER_BYTES)
    const start =
      first && (this.#keyframeAsked || this.#picture % KEYFRAME_EVERY === 0) ? KEYFRAME_START : DELTA_START
    start.copy(packet, HEADER_BYTES)
    this.#send(packet, to)
  }
}
