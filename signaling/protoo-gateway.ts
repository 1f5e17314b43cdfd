import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import protoo from 'protoo-server'
import { DEFAULT_TENANT, streamIdSchema } from '../common/wire/stream.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import type { StreamRegistry } from '../sfu/stream-registry.ts'
import { guardProtooMessages } from './protoo-message-guard.ts'
import { ViewerSession } from './viewer-session.ts'

/** Chromium's RTP capabilities are about 20 kB of JSON; nothing a viewer sends is larger. */
const MAX_MESSAGE_BYTES = 64 * 1024

export interface GatewayOptions {
  /** Most viewer connections at once. */
  readonly maxConnections: number
  readonly events: MediaEvents
  readonly streams: StreamRegistry
}

/**
 * The viewers' WebSocket door at `/protoo?stream_id=…`. protoo gets an emitter of its own instead of the HTTP
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
    server.on('connectionrequest', ({ request }, accept, reject) => {
      const refusal = this.#refusal(request)
      if (refusal) return reject(refusal.status, refusal.reason)
      const stream = this.#options.streams.get(DEFAULT_TENANT, streamIdOf(request))!
      const transport = accept()
      // An exception past accept() would end the process (protoo has nobody to give it to).
      try {
        new ViewerSession(this.#room.createPeer(randomUUID(), transport), stream, this.#options.events)
      } catch (error) {
        this.#options.events.error('signaling', 'session', error)
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

  #refusal(request: IncomingMessage): { status: number; reason: string } | null {
    const { maxConnections, streams, events } = this.#options
    const id = streamIdOf(request)
    if (this.connections >= maxConnections) {
      events.rejected(
        { tenantId: DEFAULT_TENANT, streamId: id },
        'max_connections',
        `${maxConnections} viewers are connected`,
      )
      return { status: 503, reason: 'too many viewers; try again later' }
    }
    if (!streamIdSchema.safeParse(id).success)
      return { status: 400, reason: 'stream_id is missing or malformed' }
    if (!streams.get(DEFAULT_TENANT, id)) return { status: 404, reason: 'no such stream' }
    return null
  }
}

function streamIdOf(request: IncomingMessage): string {
  return new URL(request.url ?? '/', 'http://hub').searchParams.get('stream_id') ?? ''
}
