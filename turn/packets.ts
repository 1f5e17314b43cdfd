import koffi from 'koffi'
import { ENDPOINT_BYTES, ENDPOINT_WORDS, type Endpoint, wordsOf } from '../common/net/endpoint.ts'
import { IOVEC, MMSGHDR, sendAll } from '../common/net/message-layout.ts'
import type { UdpSocket } from '../common/net/udp-socket.ts'
import { MAX_PACKET } from '../common/stun/stun-types.ts'

/** Bytes free in front of each received packet: the longest header that relaying adds fits (a Data indication's, 48). */
export const HEADROOM = 64
/** Room behind a packet for padding. It also keeps the packets' starts apart in the CPU's cache. */
const TAILROOM = 128
const STRIDE = HEADROOM + MAX_PACKET + TAILROOM

/** Packets read by one system call. */
const AT_ONCE = 32
/** System calls of reading before other sockets have their turn. */
const READS_PER_TURN = 4
/** Packets that wait to be sent: received ones, and those that were written here or came over TCP. */
const RECEIVED = 256
const WRITTEN = 64
const PACKETS = RECEIVED + WRITTEN

/** recv(2): the packet was longer than the buffer. */
const MSG_TRUNC = 0x20
const TWO_32 = 0x1_0000_0000

/** The packets that wait to leave by one socket. */
export class SendQueue {
  readonly socket: UdpSocket
  first = -1
  last = -1

  constructor(socket: UdpSocket) {
    this.socket = socket
  }
}

/** Something that gathers what it sends until the end of the turn. */
export interface Flushed {
  flush(): void
}

/**
 * Gets one received packet.
 * @param start where the packet begins in {@link Packets.bytes}
 * @param from index of the sender's address in {@link Packets.froms}
 */
export type OnPacket = (start: number, length: number, from: number) => void

/**
 * The memory that all packets of the process are in, and their way in and out: many packets by one system call. A packet
 * is relayed where it was received, with its new header in front, and is not copied. Memory and pointers are laid out once.
 *
 * What was read and written in a turn of the event loop is sent at the turn's end.
 */
export class Packets {
  readonly bytes = Buffer.alloc(PACKETS * STRIDE)
  /** Addresses of the senders, {@link ENDPOINT_WORDS} each. */
  readonly froms: Uint32Array
  /** Packets that were lost: too long, or refused by the kernel. */
  dropped = 0

  readonly #bytesAt = Number(koffi.address(this.bytes))
  readonly #fromMemory = Buffer.alloc(RECEIVED * ENDPOINT_BYTES)
  readonly #in = messages(RECEIVED, Number(koffi.address(this.#fromMemory)))
  readonly #toMemory = Buffer.alloc(PACKETS * ENDPOINT_BYTES)
  readonly #tos = wordsIn(this.#toMemory)
  readonly #out = messages(PACKETS, Number(koffi.address(this.#toMemory)))
  /** Of each packet that waits: the next in its queue, where it starts, its bytes, and who gets it. */
  readonly #next = new Int32Array(PACKETS)
  readonly #starts = new Int32Array(PACKETS)
  readonly #lengths = new Int32Array(PACKETS)
  readonly #receivers: Endpoint[] = []
  readonly #queues: SendQueue[] = []
  readonly #flushed: Flushed[] = []
  #received = 0
  #written = 0
  #endsTurn: NodeJS.Immediate | null = null

  constructor() {
    this.froms = wordsIn(this.#fromMemory)
    for (let packet = 0; packet < RECEIVED; packet += 1) {
      const base = this.#bytesAt + packet * STRIDE + HEADROOM
      point(this.#in.iovecs, packet, base, MAX_PACKET)
    }
  }

  /** Reads what waits at a socket, and gives each packet, which is valid until the end of the turn. */
  receive(socket: UdpSocket, take: OnPacket): void {
    const { headers } = this.#in
    for (let reads = 0; reads < READS_PER_TURN && socket.descriptor >= 0; reads += 1) {
      if (this.#received + AT_ONCE > RECEIVED) {
        this.flush()
        this.#received = 0
      }
      const first = this.#received
      const got = socket.receiveMany(this.#in.at + first * MMSGHDR.size, AT_ONCE)
      // Nothing waits, or an ICMP answer to what was sent, which does not matter here.
      if (got <= 0) return
      this.#received += got
      this.#endTurn()
      for (let packet = first; packet < first + got; packet += 1) {
        const header = (packet * MMSGHDR.size) >>> 2
        const length = headers[header + MMSGHDR.bytes / 4]!
        const cut = (headers[header + MMSGHDR.flags / 4]! & MSG_TRUNC) !== 0
        // The kernel overwrote it with what it used.
        headers[header + MMSGHDR.nameBytes / 4] = ENDPOINT_BYTES
        if (cut) this.dropped += 1
        else take(packet * STRIDE + HEADROOM, length, packet * ENDPOINT_WORDS)
      }
      if (got < AT_ONCE) return
    }
  }

  /** Where a packet may be written, with {@link HEADROOM} in front, valid until the end of the turn. */
  room(): number {
    if (this.#written === WRITTEN) {
      this.flush()
      this.#written = 0
    }
    this.#endTurn()
    const packet = RECEIVED + this.#written++
    return packet * STRIDE + HEADROOM
  }

  /** Sends a packet at the end of the turn. @param start in the room of one packet, which is sent at most once */
  send(queue: SendQueue, start: number, length: number, to: Endpoint): void {
    const packet = Math.floor(start / STRIDE)
    this.#starts[packet] = start
    this.#lengths[packet] = length
    this.#receivers[packet] = to
    this.#next[packet] = -1
    if (queue.first === -1) {
      queue.first = packet
      this.#queues.push(queue)
    } else this.#next[queue.last] = packet
    queue.last = packet
  }

  /** Has something else flushed together with the packets, once. */
  flushAlso(flushed: Flushed): void {
    this.#flushed.push(flushed)
    this.#endTurn()
  }

  /** Sends everything that waits. */
  flush(): void {
    for (const queue of this.#queues) this.#flushQueue(queue)
    this.#queues.length = 0
    for (const flushed of this.#flushed) flushed.flush()
    this.#flushed.length = 0
  }

  #endTurn(): void {
    this.#endsTurn ??= setImmediate(this.#onTurnEnd)
  }

  readonly #onTurnEnd = (): void => {
    this.#endsTurn = null
    this.flush()
    this.#received = 0
    this.#written = 0
  }

  #flushQueue(queue: SendQueue): void {
    let count = 0
    for (let packet = queue.first; packet !== -1; packet = this.#next[packet]!) {
      const to = this.#receivers[packet]!.words
      const at = count * ENDPOINT_WORDS
      for (let word = 0; word < to.length; word += 1) this.#tos[at + word] = to[word]!
      this.#out.headers[(count * MMSGHDR.size + MMSGHDR.nameBytes) >>> 2] = wordsOf(to, 0) * 4
      point(this.#out.iovecs, count, this.#bytesAt + this.#starts[packet]!, this.#lengths[packet]!)
      count += 1
    }
    queue.first = -1
    if (queue.socket.descriptor < 0) return
    this.dropped += sendAll(this.#out.at, count, (messages, left) => queue.socket.sendMany(messages, left))
  }
}

interface Messages {
  /** Address of the first `struct mmsghdr`. */
  readonly at: number
  /** 32-bit words of `struct mmsghdr` and of `struct iovec`, one iovec for each message. */
  readonly headers: Uint32Array
  readonly iovecs: Uint32Array
  /** Keeps the memory. */
  readonly memory: readonly Buffer[]
}

/** @param namesAt address of the first name, {@link ENDPOINT_BYTES} each */
function messages(count: number, namesAt: number): Messages {
  const [headers, iovecs] = [Buffer.alloc(count * MMSGHDR.size), Buffer.alloc(count * IOVEC.size)]
  const iovecsAt = Number(koffi.address(iovecs))
  for (let index = 0; index < count; index += 1) {
    const header = index * MMSGHDR.size
    headers.writeBigUInt64LE(BigInt(namesAt + index * ENDPOINT_BYTES), header + MMSGHDR.name)
    headers.writeUInt32LE(ENDPOINT_BYTES, header + MMSGHDR.nameBytes)
    headers.writeBigUInt64LE(BigInt(iovecsAt + index * IOVEC.size), header + MMSGHDR.iovecs)
    headers.writeBigUInt64LE(1n, header + MMSGHDR.iovecCount)
  }
  return {
    at: Number(koffi.address(headers)),
    headers: wordsIn(headers),
    iovecs: wordsIn(iovecs),
    memory: [headers, iovecs],
  }
}

/** User space ends below 2^48, so a number holds an address. The upper half of a length stays 0. */
function point(iovecs: Uint32Array, index: number, base: number, length: number): void {
  const at = (index * IOVEC.size) >>> 2
  iovecs[at] = base >>> 0
  iovecs[at + 1] = Math.floor(base / TWO_32)
  iovecs[at + IOVEC.length / 4] = length
}

function wordsIn({ buffer, byteOffset, length }: Buffer): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length / 4)
}
