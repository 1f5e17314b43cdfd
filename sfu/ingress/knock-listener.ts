import { constants } from 'node:os'
import koffi from 'koffi'
import { UdpSocket } from '../../common/net/udp-socket.ts'
import { attachSocketFilter } from '../../common/rist/libc.ts'
import {
  GARBAGE_BYTES,
  GARBAGE_SAMPLE,
  PLAINTEXT_BYTES,
  portUnavailable,
  ristFilter,
  WEAK_KEY_BYTES,
} from './rist-packet-filter.ts'
import { type Rejection, RejectionLog } from './rist-rejections.ts'

/** Room for a few packets: one packet is enough, and a flood should cost nothing. */
const RECEIVE_BUFFER_BYTES = 8192
/** Packets read at a time, followed by a rest: whatever arrives, the hub has other things to do. */
const READ_AT_ONCE = 8
const REST_MS = 100
/** The length to which the filter cuts a packet says what the packet is. Nothing else of it is needed. */
const LOOK_BYTES = 64
/** The larger of the address types, `struct sockaddr_in6`. */
const SOURCE_BYTES = 28

export interface KnockListenerOptions {
  /** Local IP address to listen on. */
  readonly address: string
  readonly links: readonly { readonly port: number }[]
  /** The shortest key that a sender may use. */
  readonly aesBits: 128 | 256
  /**
   * A packet arrived that only a sender with a key would send.
   * @param source address and port of the packet
   * @returns whether the knock is answered: after that nothing more is heard
   */
  readonly onKnock: (source: string) => boolean
  readonly onRejected: (rejection: Rejection) => void
}

interface HeldPort {
  readonly socket: UdpSocket
  readonly poll: ReturnType<typeof koffi.node.poll>
}

/**
 * Holds a stream's link ports while nobody sends, so that a stream without a sender needs no process. The kernel's
 * filter sorts out what no encrypting main-profile sender sends. What passes is a knock. A knock proves nothing yet:
 * that is up to the ingress process that follows. The knocking packet itself is lost; senders repeat it.
 */
export class KnockListener implements Disposable {
  readonly #options: KnockListenerOptions
  readonly #ports: HeldPort[] = []
  readonly #rejections: RejectionLog
  readonly #packet = Buffer.alloc(LOOK_BYTES)
  readonly #source = Buffer.alloc(SOURCE_BYTES)
  readonly #rests = new Set<NodeJS.Timeout>()
  #done = false

  /**
   * Holds every port or none. Nothing is heard before `listen()`.
   * @throws CodedError `rist_port_unavailable` (503)
   */
  constructor(options: KnockListenerOptions) {
    this.#options = options
    this.#rejections = new RejectionLog(options.onRejected)
    const { address, links, aesBits } = options
    const filter = ristFilter(aesBits)
    for (const { port } of links) {
      try {
        const socket = UdpSocket.open(address, port, { receive: RECEIVE_BUFFER_BYTES })
        const held: HeldPort = {
          socket,
          poll: koffi.node.poll(socket.descriptor, { readable: true }, () => this.#read(held)),
        }
        held.poll.stop()
        this.#ports.push(held)
        attachSocketFilter(socket.descriptor, filter)
      } catch (error) {
        this[Symbol.dispose]()
        throw portUnavailable(address, port, error)
      }
    }
  }

  /** Hears knocks from now on. Earlier packets are thrown away. */
  listen(): void {
    for (const held of this.#ports) {
      for (let count = 0; count < READ_AT_ONCE; count += 1) if (held.socket.receive(this.#packet) < 0) break
      this.#watch(held)
    }
  }

  /** Releases the ports. */
  [Symbol.dispose](): void {
    this.#done = true
    for (const rest of this.#rests) clearTimeout(rest)
    for (const { socket, poll } of this.#ports.splice(0)) {
      poll.close()
      socket[Symbol.dispose]()
    }
  }

  #watch(held: HeldPort): void {
    held.poll.start({ readable: true }, () => this.#read(held))
  }

  #read(held: HeldPort): void {
    if (this.#done) return
    held.poll.stop()
    for (let count = 0; count < READ_AT_ONCE; count += 1) {
      const length = held.socket.receiveFrom(this.#packet, this.#source)
      if (length === -constants.errno.EAGAIN) break
      if (length <= PLAINTEXT_BYTES) this.#refuse(length)
      else if (this.#options.onKnock(this.#source.toString('hex'))) return this.#answered()
    }
    const rest = setTimeout(() => {
      this.#rests.delete(rest)
      this.#watch(held)
    }, REST_MS).unref()
    this.#rests.add(rest)
  }

  #refuse(length: number): void {
    const now = performance.now()
    if (length === PLAINTEXT_BYTES) this.#rejections.add('plaintext', now)
    else if (length === GARBAGE_BYTES) this.#rejections.add('garbage', now, GARBAGE_SAMPLE)
    else if (length === WEAK_KEY_BYTES) this.#rejections.add('weak_key', now)
  }

  #answered(): void {
    this.#done = true
    for (const rest of this.#rests) clearTimeout(rest)
    for (const { poll } of this.#ports) poll.stop()
  }
}
