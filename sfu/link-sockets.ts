import { constants } from 'node:os'
import koffi from 'koffi'
import { UdpSocket } from '../common/net/udp-socket.ts'
import { type DetourEntry, MAX_DATAGRAM_BYTES } from '../common/wire/detour-frames.ts'
import { DatagramBatch } from './lane/datagram-batch.ts'

/** Room for a picture or two; the kernel drops what is more, as on a network. */
const BUFFER_BYTES = { send: 512 * 1024, receive: 256 * 1024 }
/** Answers read of a link in one turn of the event loop: RIST has some 20 a second. */
const READ_AT_ONCE = 32
/** No address: a socket bound to any address is reached by loopback. */
const ANY = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

interface LinkSocket {
  readonly socket: UdpSocket
  readonly poll: ReturnType<typeof koffi.node.poll>
}

/** One batch is enough: it is filled and sent within one call. */
const batch = new DatagramBatch(false)

/**
 * The UDP sockets through which datagrams of a detour go to the stream's own RIST ports, one for each link. A socket is
 * opened with the first datagram of its link. It has a port of its own, so librist takes a sender that comes back over
 * another connection for a new peer, and answers it at once.
 */
export class LinkSockets implements Disposable {
  readonly #address: string
  readonly #ports: readonly number[]
  readonly #answered: (link: number, datagram: Buffer) => void
  readonly #links: (LinkSocket | undefined)[] = []
  readonly #incoming = Buffer.alloc(MAX_DATAGRAM_BYTES)
  #closed = false

  /**
   * @param address where the RIST ports listen
   * @param ports by link
   * @param answered a datagram from a link's port; valid only during the call
   */
  constructor(address: string, ports: readonly number[], answered: (link: number, datagram: Buffer) => void) {
    this.#address = ANY.get(address) ?? address
    this.#ports = ports
    this.#answered = answered
  }

  /**
   * Sends the datagrams, those of each link in order and by one system call. Links beyond the contract's are left out.
   * @throws Error when the machine has no descriptor or port left
   */
  send(entries: readonly DetourEntry[]): void {
    for (let first = 0; first < entries.length; ) {
      const { link } = entries[first]!
      const target = this.#socketOf(link)
      let next = first
      for (; entries[next]?.link === link && !batch.full; next += 1) batch.add(entries[next]!.datagram)
      batch.flush((messages, count) => target?.sendMany(messages, count) ?? count)
      first = next
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const link of this.#links) {
      link?.poll.close()
      link?.socket[Symbol.dispose]()
    }
    this.#links.length = 0
  }

  #socketOf(link: number): UdpSocket | undefined {
    const open = this.#links[link]
    if (open) return open.socket
    const port = this.#ports[link]
    if (port === undefined || this.#closed) return undefined
    const socket = UdpSocket.open(this.#address, 0, BUFFER_BYTES)
    try {
      socket.connect(this.#address, port)
      const poll = koffi.node.poll(socket.descriptor, { readable: true }, (status: unknown) =>
        this.#read(link, status),
      )
      this.#links[link] = { socket, poll }
      return socket
    } catch (error) {
      socket[Symbol.dispose]()
      throw error
    }
  }

  #read(link: number, status: unknown): void {
    const open = this.#links[link]
    if (!open) return
    for (let count = 0; count < READ_AT_ONCE; count += 1) {
      const length = open.socket.receive(this.#incoming)
      if (length === -constants.errno.EAGAIN) break
      // Any other failure is the ICMP answer of a port where nobody listens just now. RIST sends again.
      if (length > 0) this.#answered(link, this.#incoming.subarray(0, length))
      if (this.#links[link] !== open) return
    }
    // That answer wakes us as an error, and libuv then stops watching. Reading has cleared the error.
    if (status !== 0) open.poll.start({ readable: true }, (again: unknown) => this.#read(link, again))
  }
}
