import koffi from 'koffi'
import { type AddressKey, Endpoint, endpointKey, isAt } from '../common/net/endpoint.ts'
import { UdpSocket } from '../common/net/udp-socket.ts'
import type { Client } from './allocation.ts'
import { type Packets, SendQueue } from './packets.ts'

/** Room for a burst of all clients while this process is busy; the kernel caps it at its own limit. */
const BUFFER_BYTES = { send: 4 * 1024 * 1024, receive: 4 * 1024 * 1024, onlyIpv6: true }

/** Calls `readable` whenever something waits at a socket, until this is disposed of. */
export class Readable implements Disposable {
  readonly #poll: ReturnType<typeof koffi.node.poll>
  readonly #socket: UdpSocket

  constructor(socket: UdpSocket, readable: () => void) {
    this.#socket = socket
    const onReadable = (status: unknown): void => {
      readable()
      // An ICMP answer wakes us as an error, and libuv then stops watching. Reading has cleared the error.
      if (status !== 0 && this.#socket.descriptor >= 0) this.#poll.start({ readable: true }, onReadable)
    }
    this.#poll = koffi.node.poll(socket.descriptor, { readable: true }, onReadable)
  }

  [Symbol.dispose](): void {
    this.#poll.close()
  }
}

/** Gets a packet of a client. @param start in the process's {@link Packets} */
export type OnClientPacket = (client: Client, start: number, length: number) => void

/** A listening port of UDP, and its clients: those that have an allocation are known. */
export class UdpListener implements Disposable {
  readonly #packets: Packets
  readonly #socket: UdpSocket
  readonly #queue: SendQueue
  readonly #readable: Readable
  readonly #take: OnClientPacket
  readonly #clients = new Map<AddressKey, Client>()
  /** Packets come in bursts: the next one is often of the same client. */
  #last: Client | null = null

  /** @throws Error such as `bind EADDRINUSE 127.0.0.1:3478` */
  constructor(ip: string, port: number, packets: Packets, take: OnClientPacket) {
    this.#packets = packets
    this.#take = take
    this.#socket = UdpSocket.open(ip, port, BUFFER_BYTES)
    this.#queue = new SendQueue(this.#socket)
    this.#readable = new Readable(this.#socket, () => packets.receive(this.#socket, this.#onPacket))
  }

  get port(): number {
    return this.#socket.port
  }

  /** Clients with an allocation. */
  get size(): number {
    return this.#clients.size
  }

  [Symbol.dispose](): void {
    this.#readable[Symbol.dispose]()
    this.#packets.flush()
    this.#socket[Symbol.dispose]()
  }

  readonly #onPacket = (start: number, length: number, from: number): void => {
    const { froms } = this.#packets
    let client = this.#last
    if (!client || !isAt(client.address.words, froms, from)) {
      client = this.#clients.get(endpointKey(froms, from)) ?? null
      if (client) this.#last = client
    }
    // Data of who has no allocation goes nowhere: no object is made for it.
    const isData = length > 0 && this.#packets.bytes[start]! >= 0x40
    if (client || !isData) this.#take(client ?? this.#stranger(from), start, length)
  }

  /** A client is remembered while it has an allocation. */
  #stranger(from: number): Client {
    const address = Endpoint.at(this.#packets.froms, from)
    const client: Client = {
      protocol: 'udp',
      address,
      allocation: null,
      send: (start, length) => this.#packets.send(this.#queue, start, length, address),
      began: () => void this.#clients.set(address.key, client),
      ended: () => {
        this.#clients.delete(address.key)
        if (this.#last === client) this.#last = null
      },
    }
    return client
  }
}
