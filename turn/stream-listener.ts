import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { Endpoint } from '../common/net/endpoint.ts'
import { ConnectionPlaces } from './connection-places.ts'
import type { Packets } from './packets.ts'
import { readPreamble } from './preamble.ts'
import { type OnFrame, StreamClient } from './stream-client.ts'

/** How long a client may take to agree on TLS, ms. */
const HANDSHAKE_MS = 10_000
/** Connections of one address (of IPv6, one /64), and of all, beyond those that may have an allocation. */
const SPARE_OF_ADDRESS = 16
const SPARE = 256
/** How long the other end of a quiet connection may be gone before the kernel asks for it, ms. */
const KEEP_ALIVE_MS = 60_000
/** RFC 7443: what clients call TURN where several protocols share a port. Clients need not say it. */
const ALPN = ['stun.turn']

export interface Certificate {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

export interface StreamListenerOptions {
  readonly packets: Packets
  readonly take: OnFrame
  /** The client's connection is closed. */
  readonly gone: (client: StreamClient) => void
  readonly nowMs: () => number
  /** Most allocations of one address, and of all. */
  readonly ofAddress: number
  readonly total: number
  /** Null for plain TCP. */
  readonly certificate: Certificate | null
  /** Connections come from the hub, which has agreed on TLS; each begins with {@link preambleOf} of this token. */
  readonly token?: string
}

/** A listening port of TCP or TLS, and its connections. */
export class StreamListener implements AsyncDisposable {
  readonly #options: StreamListenerOptions
  readonly #server: Server | TlsServer
  readonly #sockets = new Set<Socket>()
  readonly #clients = new Set<StreamClient>()
  readonly #places: ConnectionPlaces
  /** Connections that were closed at once, because there were too many. */
  refused = 0
  #dropped = 0

  private constructor(options: StreamListenerOptions) {
    this.#options = options
    const { certificate, ofAddress, total } = options
    this.#places = new ConnectionPlaces(ofAddress + SPARE_OF_ADDRESS, total + SPARE)
    const settings = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS } as const
    if (certificate) {
      const secure = createTlsServer({
        ...settings,
        ...certificate,
        ALPNProtocols: ALPN,
        minVersion: 'TLSv1.2',
        handshakeTimeout: HANDSHAKE_MS,
      })
      secure.on('tlsClientError', () => {}) // Node closes the connection.
      secure.on('connection', (socket: Socket) => this.#counted(socket))
      secure.on('secureConnection', (socket) => this.#open(socket))
      this.#server = secure
    } else {
      const { token } = options
      this.#server = createServer(settings, (socket) => {
        if (token !== undefined) readPreamble(socket, token, (client) => this.#open(socket, client))
        else if (this.#counted(socket)) this.#open(socket)
      })
      if (token !== undefined) this.#server.maxConnections = options.total + SPARE
    }
  }

  /** @throws Error such as `listen EADDRINUSE: address already in use 127.0.0.1:3478` */
  static async open(ip: string, port: number, options: StreamListenerOptions): Promise<StreamListener> {
    const listener = new StreamListener(options)
    const server = listener.#server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: ip, port, ipv6Only: true }, () => {
        server.off('error', reject)
        // Accepting fails while file descriptors are short: the others go on.
        server.on('error', () => {})
        resolve()
      })
    })
    return listener
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Connections, those that have not agreed on TLS yet included. */
  get size(): number {
    return this.#sockets.size
  }

  /** Packets dropped for clients that read too slowly. */
  get dropped(): number {
    return Array.from(this.#clients).reduce((sum, client) => sum + client.dropped, this.#dropped)
  }

  /** New connections get this certificate; running ones go on. */
  setCertificate(certificate: Certificate): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(certificate)
  }

  /** Closes connections that are slow on purpose or do nothing. */
  closeIdle(nowMs: number): void {
    for (const client of this.#clients) if (client.isIdle(nowMs)) client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const client of this.#clients) client.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Counts a connection while it lives. @returns false where there are too many: it is closed */
  #counted(socket: Socket, client = clientOf(socket)): boolean {
    socket.on('error', () => {}) // 'close' tells.
    const leave = client && this.#places.take(client)
    if (!leave) {
      this.refused += 1
      socket.destroy()
      return false
    }
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      leave()
    })
    return true
  }

  /** @param handed the client's address, where the hub tells it */
  #open(socket: Socket, handed: Endpoint | null = null): void {
    socket.on('error', () => {}) // 'close' tells.
    if (handed && !this.#counted(socket, handed)) return
    const address = handed ?? clientOf(socket)
    if (!address) return void socket.destroy()
    const { packets, take, gone, nowMs, certificate } = this.#options
    const protocol = certificate || handed ? 'tls' : 'tcp'
    const client = new StreamClient(protocol, socket, address, packets, take, nowMs)
    this.#clients.add(client)
    socket.once('close', () => {
      this.#clients.delete(client)
      this.#dropped += client.dropped
      gone(client)
    })
  }
}

/** Null where the client is gone already. */
function clientOf({ remoteAddress, remotePort }: Socket): Endpoint | null {
  return remoteAddress ? Endpoint.of(remoteAddress.replace(/%.*$/, ''), remotePort ?? 0) : null
}
