import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { beginsAsStun } from '../../turn/hand-over.ts'
import { readClientHello } from './client-hello.ts'
import { readFirst } from './read-first.ts'

const HTTP = 'http/1.1'
/** RFC 7443. Browsers offer no protocol for TURN; other clients may offer this one. */
export const TURN_PROTOCOL = 'stun.turn'
/** The event of the server by which {@link turnOnHttps} tells that a connection is no longer one of HTTP. */
export const HANDED_OVER = 'handedOver'
/** The event by which the server's owner says that it closes: connections that HTTP does not know would hold it open. */
export const STOPPING = 'stopping'

/** Has a server of HTTPS agree on {@link TURN_PROTOCOL}, too. */
export function withTurn(options: TlsOptions): TlsOptions {
  const { ALPNCallback: agree } = options
  if (!agree) return { ...options, ALPNProtocols: [HTTP, TURN_PROTOCOL] }
  return {
    ...options,
    ALPNCallback(this: TLSSocket, hello) {
      const agreed = agree.call(this, hello)
      return agreed ?? (hello.protocols.includes(TURN_PROTOCOL) ? TURN_PROTOCOL : undefined)
    },
  }
}

/** Takes a connection that speaks TURN. @param first what was read of it. @returns false where nobody takes it */
export type TakeTurn = (socket: TLSSocket, first: Buffer) => boolean

/**
 * TURN over TLS on the port of HTTPS, for networks that let nothing else through. A connection speaks TURN where it agreed on
 * that protocol, or where it offered none and its first byte is STUN's: every browser offers HTTP where it wants HTTP.
 *
 * A browser's TURN closes when it is asked for a certificate, as nodes are. So who offers no protocol, and greases as browsers
 * do, is not asked. Programs without ALPN, as Node's `https` is, are asked as ever.
 *
 * @param options of the server
 * @param withinMs how long a client may be silent that has not said what it speaks
 * @returns what must be kept on the server's present certificate, too
 */
export function turnOnHttps(
  server: Server,
  options: TlsOptions,
  take: TakeTurn,
  withinMs: number,
): Pick<Server, 'setSecureContext'> {
  const { ALPNCallback: _, ALPNProtocols: __, ...rest } = options
  const unasking = createServer({ ...rest, handshakeTimeout: withinMs, requestCert: false })
  const http = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  const ours = new OpenSockets(server)
  const asHttp = (socket: TLSSocket): void => {
    ours.leave(socket)
    for (const listener of http) listener.call(server, socket)
  }
  const asTurn = (socket: TLSSocket, first: Buffer): void => {
    ours.keep(socket)
    server.emit(HANDED_OVER, socket)
    if (!take(socket, first)) socket.destroy()
  }
  const onSecure = (socket: TLSSocket): void => {
    if (socket.alpnProtocol === TURN_PROTOCOL) return asTurn(socket, Buffer.alloc(0))
    if (socket.alpnProtocol) return asHttp(socket)
    ours.keep(socket)
    readFirst(socket, withinMs, (first) => () => {
      if (beginsAsStun(first)) return asTurn(socket, first)
      socket.unshift(first)
      asHttp(socket)
    })
  }
  server.on('secureConnection', onSecure)
  unasking.on('secureConnection', onSecure)
  unasking.on('tlsClientError', (error, socket) => server.emit('tlsClientError', error, socket))
  const [asking] = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    ours.keep(socket)
    readFirst(socket, withinMs, (bytes) => {
      const hello = readClientHello(bytes)
      if (hello === null) return null
      return () => {
        ours.leave(socket)
        // TLS begins with what was read.
        socket.unshift(bytes)
        if (hello.greases && !hello.offersProtocols) unasking.emit('connection', socket)
        else asking?.call(server, socket)
      }
    })
  })
  return unasking
}

/** Connections that the server's own lists do not have: it would wait for them when it stops. */
class OpenSockets {
  readonly #sockets = new Set<Socket>()
  #stopping = false

  constructor(server: Server) {
    server.once(STOPPING, () => {
      this.#stopping = true
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  keep(socket: Socket): void {
    if (this.#stopping) return void socket.destroy()
    if (this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  leave(socket: Socket): void {
    this.#sockets.delete(socket)
  }
}
