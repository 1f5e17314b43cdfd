import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/**
 * A NAT between one client and a server on loopback, which forgets its mapping when it is told to: the client's packets
 * then come from another port.
 */
export class RebindingNat implements Disposable {
  /** Where the client sends to. */
  readonly port: number
  readonly #inside: Socket
  readonly #serverPort: number
  #outside: Socket
  #client = 0

  private constructor(inside: Socket, outside: Socket, serverPort: number) {
    this.port = inside.address().port
    this.#inside = inside
    this.#outside = outside
    this.#serverPort = serverPort
    inside.on('message', (packet, { port }) => {
      this.#client = port
      this.#outside.send(packet, serverPort, '127.0.0.1')
    })
    this.#hear(outside)
  }

  static async open(serverPort: number): Promise<RebindingNat> {
    return new RebindingNat(await bound(), await bound(), serverPort)
  }

  /** The port from which the server hears the client now. */
  get mapped(): number {
    return this.#outside.address().port
  }

  /** What the server sends to the former port is lost from now on. */
  async rebind(): Promise<void> {
    const before = this.#outside
    this.#outside = await bound()
    this.#hear(this.#outside)
    before.close()
  }

  [Symbol.dispose](): void {
    this.#inside.close()
    this.#outside.close()
  }

  #hear(outside: Socket): void {
    outside.on('message', (packet, { port }) => {
      if (port === this.#serverPort && this.#client !== 0)
        this.#inside.send(packet, this.#client, '127.0.0.1')
    })
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}
