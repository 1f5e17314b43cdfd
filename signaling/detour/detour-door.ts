import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { MAX_DETOUR_MESSAGE_BYTES } from '../../common/wire/detour-frames.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import type { DetourAdmission } from './detour-admission.ts'
import { DetourConnection, type DetourConnectionOptions } from './detour-connection.ts'

/** Path of the WebSockets, as contracts name it. */
export const DETOUR_PATH = '/detour'

export interface DetourDoorOptions {
  readonly admission: DetourAdmission
  /** Most connections at once. */
  readonly maxConnections: number
  readonly events: Pick<MediaEvents, 'rejected' | 'error'>
  readonly count: DetourConnectionOptions['count']
}

/** The door for field senders whose network lets no UDP through: their RIST datagrams come over a WebSocket. */
export class DetourDoor implements Disposable {
  readonly upgrades = {
    path: DETOUR_PATH,
    take: (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#take(request, socket, head),
  }
  readonly #options: DetourDoorOptions
  /** Oldest first. */
  readonly #connections = new Set<DetourConnection>()
  #server: Promise<WebSocketServer> | null = null
  #closed = false

  constructor(options: DetourDoorOptions) {
    this.#options = options
  }

  get connections(): number {
    return this.#connections.size
  }

  get inUse(): { readonly used: number; readonly anonymous: number } {
    let used = 0
    for (const { stranger } of this.#connections) if (!stranger) used += 1
    return { used, anonymous: 0 }
  }

  /** Closes the oldest connection that has shown no ticket yet. Returns whether there was one. */
  turnOut(): boolean {
    for (const connection of this.#connections)
      if (connection.stranger) {
        this.#connections.delete(connection)
        connection.close()
        return true
      }
    return false
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const connection of this.#connections) connection.close()
    this.#connections.clear()
  }

  #take(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { maxConnections, events } = this.#options
    if (this.connections >= maxConnections) this.turnOut()
    if (this.#closed || this.connections >= maxConnections) {
      events.rejected(null, 'max_connections', `${maxConnections} senders are connected`)
      return void socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n')
    }
    // Most hubs never need the library.
    this.#server ??= openServer()
    this.#server.then(
      (server) => {
        if (!socket.destroyed) server.handleUpgrade(request, socket, head, (opened) => this.#open(opened))
      },
      (error: unknown) => {
        events.error('detour', 'library', error)
        socket.destroy()
      },
    )
  }

  #open(socket: WebSocket): void {
    const { admission, events, count } = this.#options
    const connection = new DetourConnection(socket, { admission, events, count })
    if (this.#closed) return connection.close()
    this.#connections.add(connection)
    socket.on('close', () => this.#connections.delete(connection))
  }
}

async function openServer(): Promise<WebSocketServer> {
  const { WebSocketServer } = await import('ws')
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_DETOUR_MESSAGE_BYTES,
  })
}
