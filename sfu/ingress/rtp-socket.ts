import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Room for a burst while the worker is busy; the kernel caps it at its own limit. */
const SEND_BUFFER_BYTES = 4 * 1024 * 1024

/**
 * The loopback UDP socket between an ingress process and a lane's plain transport. The lane knows its peer by the
 * local port, so a successor process binds the same one and goes on.
 */
export class RtpSocket implements Disposable {
  readonly #socket: Socket
  #connected = false

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** @throws when the port is taken */
  static async open(port: number, onRtcp: (packet: Buffer) => void): Promise<RtpSocket> {
    const socket = createSocket({ type: 'udp4', sendBufferSize: SEND_BUFFER_BYTES })
    socket.on('message', onRtcp)
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    // A dead worker's port answers with ICMP, which shows as ECONNREFUSED: the lane is made anew, nothing to do.
    socket.on('error', () => {})
    return new RtpSocket(socket)
  }

  /** Sends to another lane transport from now on. */
  async connect(target: { ip: string; port: number }): Promise<void> {
    this.disconnect()
    this.#socket.connect(target.port, target.ip)
    await once(this.#socket, 'connect')
    this.#connected = true
  }

  disconnect(): void {
    if (this.#connected) this.#socket.disconnect()
    this.#connected = false
  }

  /** Sends one packet; dropped while there is no lane. The buffer must stay as it is until the next turn. */
  send(packet: Uint8Array): void {
    if (this.#connected) this.#socket.send(packet, ignore)
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

function ignore(): void {}
