import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import protoo, { type Peer } from 'protoo-server'
import { type DoorDependencies, welcome } from './protoo-door.ts'
import { hearEarlyAnswers } from './protoo-early-answers.ts'
import { watchFaultsOf } from './protoo-faults.ts'
import { listenForGoodbye } from './protoo-goodbye.ts'
import { guardProtooMessages } from './protoo-message-guard.ts'

/** Chromium's RTP capabilities are about 20 kB of JSON. Nothing else is larger. */
const MAX_MESSAGE_BYTES = 64 * 1024

export interface GatewayOptions {
  /** Most connections at once, of viewers and publishers. */
  readonly maxConnections: number
  readonly door: DoorDependencies
  /** Where a request comes from; null where nobody knows. */
  readonly addressOf: (request: IncomingMessage) => string | null
}

/**
 * The WebSocket door of viewers and publishers at `/protoo`. protoo gets an emitter of its own instead of the HTTP
 * server: otherwise it would answer every upgrade, also those of other protocols.
 */
export class ProtooGateway implements Disposable {
  /** Takes over HTTP upgrades of its path. */
  readonly upgrades = {
    path: '/protoo',
    take: (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      void this.#toProtoo.emit('upgrade', request, socket, head),
  }
  readonly #options: GatewayOptions
  readonly #room = new protoo.Room()
  readonly #toProtoo = new EventEmitter()
  /** Connections that have shown no good ticket yet, oldest first. */
  readonly #strangers = new Set<Peer>()
  /** Connections whose tickets were all granted without a token. */
  readonly #anonymous = new Set<Peer>()
  /** Connections with a ticket that was granted to somebody with a token. */
  readonly #named = new WeakSet<Peer>()

  constructor(options: GatewayOptions) {
    this.#options = options
    guardProtooMessages()
    const server = new protoo.WebSocketServer(this.#toProtoo as HttpServer, {
      maxReceivedFrameSize: MAX_MESSAGE_BYTES,
      maxReceivedMessageSize: MAX_MESSAGE_BYTES,
      fragmentOutgoingMessages: false,
      keepaliveInterval: 10_000,
      keepaliveGracePeriod: 5_000,
    })
    server.on('connectionrequest', ({ request, socket }, accept, reject) => {
      const { maxConnections, door, addressOf } = this.#options
      // Connections that only hold a place open give it up: otherwise a few silent ones would keep everybody out.
      if (this.connections >= maxConnections) this.turnOut()
      if (this.connections >= maxConnections) {
        door.events.rejected(null, 'max_connections', `${maxConnections} are connected`)
        return reject(503, 'too many connections; try again later')
      }
      const transport = accept()
      // The WebSocket library removes all listeners, and listens itself once its answer has left.
      socket.on('error', () => {})
      // An exception past accept() would end the process (protoo has nobody to give it to).
      try {
        const peer = this.#room.createPeer(randomUUID(), transport)
        this.#strangers.add(peer)
        peer.on('close', () => {
          this.#strangers.delete(peer)
          this.#anonymous.delete(peer)
        })
        watchFaultsOf(peer, transport, door.events)
        hearEarlyAnswers(peer, transport)
        listenForGoodbye(peer)
        welcome(peer, door, addressOf(request), (anonymous) => this.#admitted(peer, anonymous))
      } catch (error) {
        door.events.error('signaling', 'session', error)
        transport.close()
      }
    })
  }

  #admitted(peer: Peer, anonymous: boolean): void {
    this.#strangers.delete(peer)
    if (!anonymous) this.#named.add(peer)
    if (this.#named.has(peer)) this.#anonymous.delete(peer)
    else if (!peer.closed) this.#anonymous.add(peer)
  }

  get connections(): number {
    return this.#room.peers.length
  }

  /** Connections with a contract, which never give way to others, and how many of them have no token. */
  get inUse(): { readonly used: number; readonly anonymous: number } {
    return { used: this.connections - this.#strangers.size, anonymous: this.#anonymous.size }
  }

  /** Closes the oldest connection that has shown no good ticket yet. Returns whether there was one. */
  turnOut(): boolean {
    const stranger: Peer | undefined = this.#strangers.values().next().value
    stranger?.close()
    return stranger !== undefined
  }

  [Symbol.dispose](): void {
    this.#room.close()
  }
}
