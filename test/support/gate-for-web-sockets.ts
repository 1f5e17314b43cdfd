import { once } from 'node:events'
import { type IncomingMessage, request, Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** A proxy in front of a hub that can let WebSockets through, refuse them, or cut existing ones. */
export class GateForWebSockets implements AsyncDisposable {
  readonly #hub: URL
  readonly #server: Server
  /** Each with its way on to the hub. */
  readonly #sockets = new Map<Socket, Socket>()
  /** Whether WebSockets get through. */
  open: boolean
  /** Requests for news of a contract: their number, and how many wait for an answer now. */
  polls = 0
  asking = 0

  private constructor(hubUrl: string, open: boolean) {
    this.#hub = new URL(hubUrl)
    this.open = open
    this.#server = new Server((from, to) => {
      if (from.url?.includes('/next')) {
        this.polls += 1
        this.asking += 1
        to.on('close', () => {
          this.asking -= 1
        })
      }
      const { method, url, headers } = from
      const { hostname, port } = this.#hub
      const asked = request({ hostname, port, method, path: url, headers }, (answer) => {
        to.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(to)
      })
      asked.on('error', () => to.destroy())
      to.on('close', () => asked.destroy())
      from.pipe(asked)
    })
    this.#server.on('upgrade', (from: IncomingMessage, socket: Socket) => this.#upgrade(from, socket))
  }

  static async start(hubUrl: string, { open }: { open: boolean }): Promise<GateForWebSockets> {
    const gate = new GateForWebSockets(hubUrl, open)
    gate.#server.listen(0, '127.0.0.1')
    await once(gate.#server, 'listening')
    return gate
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Number of WebSockets through the gate. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Holds everything back that comes by WebSockets, both ways: nobody learns that the other end is gone. */
  hold(held: boolean): void {
    for (const [socket, hub] of this.#sockets)
      for (const one of [socket, hub]) {
        if (held) one.pause()
        else one.resume()
      }
  }

  /** Cuts every WebSocket through the gate. */
  cut(): void {
    for (const socket of this.#sockets.keys()) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #upgrade(from: IncomingMessage, socket: Socket): void {
    if (!this.open) return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    const { hostname, port } = this.#hub
    const hub = connect(Number(port), hostname, () => {
      const lines = from.rawHeaders.flatMap((name, index) =>
        index % 2 === 0 ? [`${name}: ${from.rawHeaders[index + 1]}`] : [],
      )
      hub.write(`${from.method} ${from.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
      hub.pipe(socket).pipe(hub)
    })
    this.#sockets.set(socket, hub)
    const end = () => {
      this.#sockets.delete(socket)
      hub.destroy()
      socket.destroy()
    }
    for (const one of [hub, socket]) one.on('error', end).on('close', end)
  }
}
