import { constants } from 'node:os'
import koffi from 'koffi'
import { UdpSocket } from '../../common/net/udp-socket.ts'
import { DATAGRAM_BYTES, DatagramBatch } from './datagram-batch.ts'

/** Room for a burst while the worker, or this process, is busy; the kernel caps it at its own limit. */
const BUFFER_BYTES = { send: 4 * 1024 * 1024, receive: 4 * 1024 * 1024 }
/** RTCP packets read before everything else has its turn again. */
const RTCP_PER_TURN = 64
/** The payload of the largest UDP datagram fits. */
const RTCP_BYTES = 65_536

/**
 * The loopback UDP socket between an ingress process and a lane's plain transport. The lane knows its peer by the local
 * port, so a successor process binds the same port and goes on.
 *
 * The packets of one turn of the event loop leave together: one system call for a picture instead of one for each
 * packet, and one way through the kernel for those of one size.
 */
export class RtpSocket implements Disposable {
  readonly #socket: UdpSocket
  readonly #onRtcp: (packet: Buffer) => void
  readonly #poll: ReturnType<typeof koffi.node.poll>
  readonly #batch: DatagramBatch
  readonly #incoming = Buffer.alloc(RTCP_BYTES)
  #connected = false
  #flushing = false

  private constructor(socket: UdpSocket, onRtcp: (packet: Buffer) => void) {
    this.#socket = socket
    this.#onRtcp = onRtcp
    this.#batch = new DatagramBatch(socket.cutsMessages)
    this.#poll = koffi.node.poll(socket.descriptor, { readable: true }, this.#onReadable)
  }

  /**
   * @param port of loopback, 1 to 65535
   * @param onRtcp gets the lane's packets, which are valid only during the call
   * @throws Error such as `bind EADDRINUSE 127.0.0.1:5004` when the port is taken
   */
  static async open(port: number, onRtcp: (packet: Buffer) => void): Promise<RtpSocket> {
    return new RtpSocket(UdpSocket.open('127.0.0.1', port, BUFFER_BYTES), onRtcp)
  }

  /** Sends to another lane transport from now on. @throws when it is no IPv4 address, or the socket is closed */
  async connect(target: { ip: string; port: number }): Promise<void> {
    this.disconnect()
    this.#socket.connect(target.ip, target.port)
    this.#connected = true
  }

  disconnect(): void {
    if (!this.#connected) return
    this.#flush()
    this.#socket.disconnect()
    this.#connected = false
  }

  /** What `work` sends leaves when `work` is done. Waiting for the end of the turn costs more than the sending. */
  together(work: () => void): void {
    const waits = this.#flushing
    this.#flushing = true
    try {
      work()
    } finally {
      this.#flushing = waits
      this.#flush()
    }
  }

  /**
   * Sends a copy of one packet in this turn of the event loop, in order. Without a lane the packet is dropped, and the
   * kernel drops it where it has no room.
   */
  send(packet: Uint8Array): void {
    if (!this.#connected) return
    if (packet.length > DATAGRAM_BYTES) {
      this.#flush()
      // As in a batch: the answer to an earlier packet may show here.
      if (this.#socket.send(packet) < 0) this.#socket.send(packet)
      return
    }
    this.#batch.add(packet)
    if (this.#batch.full) this.#flush()
    else if (!this.#flushing) {
      this.#flushing = true
      // Runs right after the events of this turn. A microtask might not run then: koffi calls us from outside of what
      // Node takes for a callback (uv_poll).
      setImmediate(this.#onTurnEnd)
    }
  }

  readonly #onTurnEnd = (): void => {
    this.#flushing = false
    this.#flush()
  }

  #flush(): void {
    this.#batch.flush(this.#sendMany)
  }

  readonly #sendMany = (messages: number, count: number): number => this.#socket.sendMany(messages, count)

  /** @param status libuv's, 0 when all is well; koffi's types leave it out */
  readonly #onReadable = (status: unknown): void => {
    for (let count = 0; count < RTCP_PER_TURN; count++) {
      const length = this.#socket.receive(this.#incoming)
      if (length === -constants.errno.EAGAIN) break
      // Any other failure is the ICMP answer of a dead worker's port. The lane is being rebuilt, so there is nothing to
      // do.
      if (length > 0) this.#onRtcp(this.#incoming.subarray(0, length))
      if (this.#socket.descriptor < 0) return
    }
    // That answer wakes us as an error, and libuv then stops watching. Reading has cleared the error.
    if (status !== 0) this.#poll.start({ readable: true }, this.#onReadable)
  };

  [Symbol.dispose](): void {
    if (this.#socket.descriptor < 0) return
    this.disconnect()
    this.#poll.close()
    this.#socket[Symbol.dispose]()
  }
}
