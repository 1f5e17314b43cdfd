import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Attach, LaneTrack } from '../../common/wire/lane-ipc.ts'
import type { Lane } from '../../sfu/lane/lane.ts'

const FRAME_MS = 20
/** STAP-A that begins with a sequence parameter set, which is what mediasoup takes for a keyframe; and a slice. */
const KEYFRAME = Buffer.from([24, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 3, 0x65, 0x88, 0x80])
const DELTA = Buffer.from([0x41, 0x9a, 0, 0])
const PLAYOUT_DELAY = Buffer.from([0, 0, 0])
/** RTCP payload-specific feedback (RFC 4585 section 6.1) with a picture loss indication. */
const PSFB = 206
const PLI = 1

/** A stand-in for a stream's ingress: RTP with pictures of a few bytes, so that a lane forwards something. */
export class LaneSource implements Disposable {
  /** Picture loss indications that came back, all renditions. */
  keyframeRequests = 0
  /** Whether requests are answered with a keyframe in every rendition. */
  answering = true
  /** Renditions that it sends, the lowest first: browsers leave out the upper ones where their network is narrow. */
  renditions = Number.POSITIVE_INFINITY
  /** What is sent in place of a packet, for senders that break the rules. */
  alter: (packet: Buffer, kind: 'video' | 'audio') => readonly Buffer[] = (packet) => [packet]
  readonly #socket: Socket
  readonly #pictures: NodeJS.Timeout
  #to: Attach | null = null
  readonly #sequences = new Map<number, number>()
  #frame = 0
  #keyframeDue = true
  #paused = false
  /** The last byte of each picture, by which a receiver knows the source. */
  readonly #mark: Buffer

  private constructor(socket: Socket, mark: number) {
    this.#socket = socket
    this.#mark = Buffer.from([mark])
    socket.on('message', (packet) => this.#onRtcp(packet))
    this.#pictures = setInterval(() => this.#sendPicture(), FRAME_MS)
  }

  static async open(mark = 0): Promise<LaneSource> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new LaneSource(socket, mark)
  }

  /** The port from which its RTP comes. */
  get port(): number {
    return this.#socket.address().port
  }

  feed(lane: Lane): void {
    this.#to = lane.attachment({ min: 0, max: 0 })
    this.#keyframeDue = true
  }

  /** Sends a keyframe in every rendition now. */
  keyframe(): void {
    this.#keyframeDue = true
    this.#sendPicture()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#pictures)
    this.#socket.close()
  }

  #sendPicture(): void {
    if (!this.#to || this.#paused) return
    const payload = this.#keyframeDue ? KEYFRAME : DELTA
    this.#keyframeDue = false
    this.#frame += 1
    const { target, video, extension_ids } = this.#to
    for (const [layer, { ssrc, payload_type, sequence }] of video.slice(0, this.renditions).entries()) {
      const next = this.#sequences.get(ssrc) ?? sequence
      this.#sequences.set(ssrc, next + 1)
      const header = Buffer.alloc(16)
      header.writeUInt16BE(0x9080 | payload_type, 0)
      header.writeUInt16BE(next & 0xffff, 2)
      header.writeUInt32BE((this.#frame * FRAME_MS * 90) >>> 0, 4)
      header.writeUInt32BE(ssrc, 8)
      header.writeUInt16BE(0xbede, 12)
      header.writeUInt16BE(1, 14)
      const extension = Buffer.concat([Buffer.from([(extension_ids.playout_delay << 4) | 2]), PLAYOUT_DELAY])
      this.#send(
        Buffer.concat([header, extension, payload, Buffer.from([layer]), this.#mark]),
        'video',
        target,
      )
    }
    const { audio } = this.#to
    if (audio) this.#sendSound(audio, target)
  }

  #sendSound({ ssrc, payload_type, sequence }: LaneTrack, target: Attach['target']): void {
    const next = this.#sequences.get(ssrc) ?? sequence
    this.#sequences.set(ssrc, next + 1)
    const header = Buffer.alloc(12)
    header.writeUInt16BE(0x8000 | payload_type, 0)
    header.writeUInt16BE(next & 0xffff, 2)
    header.writeUInt32BE((this.#frame * FRAME_MS * 48) >>> 0, 4)
    header.writeUInt32BE(ssrc, 8)
    this.#send(Buffer.concat([header, Buffer.from([0xfc]), this.#mark]), 'audio', target)
  }

  #send(packet: Buffer, kind: 'video' | 'audio', { port, ip }: Attach['target']): void {
    for (const each of this.alter(packet, kind)) this.#socket.send(each, port, ip)
  }

  /** Sends nothing until {@link resume}. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#keyframeDue = true
  }

  #onRtcp(packet: Buffer): void {
    for (let at = 0; at + 4 <= packet.length; at += 4 * (packet.readUInt16BE(at + 2) + 1)) {
      if (packet[at + 1] !== PSFB || (packet[at]! & 0x1f) !== PLI) continue
      this.keyframeRequests += 1
      if (this.answering) this.#keyframeDue = true
    }
  }
}
