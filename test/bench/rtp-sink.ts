import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { KEY_BYTES } from './paced-clip.ts'
import { machineMs } from './paced-sender-protocol.ts'

const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
const MARKER = 0x80
/** RTP payload format of H.264, RFC 6184 section 5.2. */
const FU_A = 28
const FU_A_HEADER_BYTES = 2

/** Where a benchmark's RTP goes: notes when the last packet of each picture arrives. */
export class RtpSink implements Disposable {
  readonly #socket: Socket
  readonly #payloadType: number
  readonly #completed = new Map<string, number>()
  #previous: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket, payloadType: number) {
    this.#socket = socket
    this.#payloadType = payloadType
    socket.on('message', (packet) => this.#take(packet))
  }

  /** Listens on a free port of loopback. @param payloadType of the video */
  static async open(payloadType: number): Promise<RtpSink> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new RtpSink(socket, payloadType)
  }

  get port(): number {
    return this.#socket.address().port
  }

  /** Pictures complete so far: {@link machineMs} of their last packet by the access unit's last bytes. */
  get completed(): ReadonlyMap<string, number> {
    return this.#completed
  }

  #take(packet: Buffer): void {
    const flags = packet[1]!
    if ((flags & ~MARKER) !== this.#payloadType) return
    if (flags & MARKER) this.#completed.set(this.#lastBytes(packet), machineMs())
    this.#previous = packet
  }

  /** The last fragment of a picture may be shorter than the key: then it begins in the packet before. */
  #lastBytes(packet: Buffer): string {
    const bytes = picture(packet)
    const whole = bytes.length < KEY_BYTES ? Buffer.concat([picture(this.#previous), bytes]) : bytes
    return whole.toString('hex', Math.max(0, whole.length - KEY_BYTES))
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

/** The bytes of the picture in an RTP packet, without headers; RFC 3550 section 5.1. */
function picture(packet: Buffer): Buffer {
  if (packet.length < 16) return packet.subarray(packet.length)
  const sources = 12 + (packet[0]! & 0x0f) * 4
  const payload = (packet[0]! & 0x10) === 0 ? sources : sources + 4 + packet.readUInt16BE(sources + 2) * 4
  return packet.subarray((packet[payload]! & 0x1f) === FU_A ? payload + FU_A_HEADER_BYTES : payload)
}
