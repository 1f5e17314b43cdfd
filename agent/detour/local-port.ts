import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'

/**
 * A UDP port on loopback to which librist sends the datagrams of one link, and from which it gets the answers. librist
 * speaks first, and from one port.
 */
export class LocalPort implements Disposable {
  readonly #socket: Socket
  #peer: RemoteInfo | null = null

  private constructor(socket: Socket, heard: (datagram: Buffer) => void) {
    this.#socket = socket
    socket.on('message', (datagram, from) => {
      // Another program of this machine may send here too. It is not heard.
      this.#peer ??= from
      if (from.port === this.#peer.port) heard(datagram)
    })
    // The answer of a port that is closed: librist is ending.
    socket.on('error', () => {})
  }

  /** @param heard gets each datagram of librist's, which is the receiver's */
  static async open(heard: (datagram: Buffer) => void): Promise<LocalPort> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new LocalPort(socket, heard)
  }

  get port(): number {
    return this.#socket.address().port
  }

  /** Hands librist an answer. The bytes may not change afterwards. */
  deliver(datagram: Uint8Array): void {
    if (this.#peer) this.#socket.send(datagram, this.#peer.port, this.#peer.address)
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
