import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import protoo from 'protoo-server'
import { guardProtooMessages } from './protoo-message-guard.ts'
import { ViewerSession, type ViewerSessionDependencies } from './viewer-session.ts'

/** Chromium's RTP capabilities are about 20 kB of JSON; nothing a viewer sends is larger. */
const MAX_MESSAGE_BYTES = 64 * 1024

export interface GatewayOptions {
  /** Most viewer connections at once. */
  readonly maxConnections: number
  readonly session: ViewerSessionDependencies
}

/**
 * The viewers' WebSocket door at `/protoo`. protoo gets an emitter of its own instead of the HTTP
 * server, because it would otherwise answer every upgrade, also those of other protocols.
 */
export class ProtooGateway implements Disposable {
  readonly #options: GatewayOptions
  readonly #room = new protoo.Room()
  readonly #upgrades = new EventEmitter()

  constructor(options: GatewayOptions) {
    this.#options = options
    guardProtooMessages()
    const server = new protoo.WebSocketServer(this.#upgrades as HttpServer, {
      maxReceivedFrameSize: MAX_MESSAGE_BYTES,
      maxReceivedMessageSize: MAX_MESSAGE_BYTES,
      fragmentOutgoingMessages: false,
      keepaliveInterval: 10_000,
      keepaliveGracePeriod: 5_000,
    })
    server.on('connectionrequest', (_request, accept, reject) => {
      const { maxConnections, session } = this.#options
      if (this.connections >= maxConnections) {
        session.events.rejected(null, 'max_connections', `${maxConnections} viewers are connected`)
        return reject(503, 'too many viewers; try again later')
      }
      const transport = accept()
      // An exception past accept() would end the process (protoo has nobody to give it to).
      try {
        new ViewerSession(this.#room.createPeer(randomUUID(), transport), session)
      } catch (error) {
        session.events.error('signaling', 'session', error)
        transport.close()
      }
    })
  }

  get connections(): number {
    return this.#room.peers.length
  }

  /** Takes over an HTTP upgrade whose path is `/protoo`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgrades.emit('upgrade', request, socket, head)
  }

  [Symbol.dispose](): void {
    this.#room.close()
  }
}
