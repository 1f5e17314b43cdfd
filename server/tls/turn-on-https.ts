import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { beginsAsStun } from '../../turn/hand-over.ts'
import { offersProtocols } from './client-hello.ts'
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
 * Who offers no protocol is not asked for a certificate: a browser's TURN has none to give, and would close. So nodes,
 * which prove themselves by theirs, must offer HTTP.
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
  const ours = new Set<Socket>()
  let stopping = false
  const keep = (socket: Socket): void => {
    if (stopping) return void socket.destroy()
    if (ours.has(socket)) return
    ours.add(socket)
    socket.once('close', () => ours.delete(socket))
  }
  server.once(STOPPING, () => {
    stopping = true
    for (const socket of ours) socket.destroy()
  })
  const asHttp = (socket: TLSSocket): void => {
    ours.delete(socket)
    for (const listener of http) listener.call(server, socket)
  }
  const asTurn = (socket: TLSSocket, first: Buffer): void => {
    keep(socket)
    server.emit(HANDED_OVER, socket)
    if (!take(socket, first)) socket.destroy()
  }
  server.on('secureConnection', (socket: TLSSocket) =>
    socket.alpnProtocol === TURN_PROTOCOL ? asTurn(socket, Buffer.alloc(0)) : asHttp(socket),
  )
  unasking.on('secureConnection', (socket: TLSSocket) => {
    keep(socket)
    readFirst(socket, withinMs, (first) => () => {
      if (beginsAsStun(first)) return asTurn(socket, first)
      socket.unshift(first)
      asHttp(socket)
    })
  })
  unasking.on('tlsClientError', (error, socket) => server.emit('tlsClientError', error, socket))
  const [asking] = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    keep(socket)
    readFirst(socket, withinMs, (hello) => {
      const offers = offersProtocols(hello)
      if (offers === null) return null
      return () => {
        ours.delete(socket)
        // TLS begins with what was read.
        socket.unshift(hello)
        if (offers) asking?.call(server, socket)
        else unasking.emit('connection', socket)
      }
    })
  })
  return unasking
}
