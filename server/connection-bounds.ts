import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import { BlockList, isIP, type Socket } from 'node:net'
import { addressKey } from './auth/address-key.ts'
import { type Descriptors, reserveOf } from './descriptors.ts'
import { HANDED_OVER } from './tls/turn-on-https.ts'

/** Largest share of the hub's connections for one address: others get in, whatever that address does. */
const SHARE_OF_ADDRESS = 0.5

export interface ConnectionBoundsOptions {
  /** Most connections of one address at once, WebSockets not counted. */
  readonly perAddress: number
  /** Addresses and ranges of proxies, each with many clients behind it. */
  readonly trustedProxies: readonly string[]
  readonly descriptors: Pick<Descriptors, 'count'>
  /** Closes a WebSocket that has shown no good ticket yet. Returns whether there was one. */
  readonly turnOut: () => boolean
  /** A connection was closed before anything was read from it. */
  readonly refused: (reason: 'address_connections' | 'descriptors', detail: string) => void
}

/** How many of the oldest requests are searched for one that waits for its client. */
const LOOKED_AT = 64

interface Connection {
  readonly socket: Socket
  readonly address: string
  upgraded: boolean
  /** Since when it is, or may be, the client's turn; monotonic, ms. */
  since: number
  /** The response under way. */
  response: ServerResponse | null
}

interface OfAddress {
  /** All connections, WebSockets included. */
  all: number
  webSockets: number
}

/**
 * How many connections the hub holds: a number for each address, and never so many that descriptors run out. Where
 * there is no room, the oldest connection gives way on which it is the client's turn: half-sent requests (head or
 * body), idle connections, answers that nobody takes, and WebSockets that show no ticket.
 */
export class ConnectionBounds {
  readonly #options: ConnectionBoundsOptions
  readonly #trusted = new BlockList()
  readonly #addresses = new Map<string, OfAddress>()
  /** By address and port, since TLS has a socket of its own for each connection. */
  readonly #connections = new Map<string, Connection>()
  /** Connections that wait for a request or the rest of one, oldest first. */
  readonly #waiting = new Set<Connection>()
  /** Connections whose request is complete, oldest first. */
  readonly #answering = new Set<Connection>()
  /** The last result of `descriptors`, and the number of connections at that time. */
  #seen: { readonly count: Descriptors['count']; readonly connections: number }

  constructor(options: ConnectionBoundsOptions) {
    this.#options = options
    this.#seen = { count: options.descriptors.count, connections: 0 }
    for (const range of options.trustedProxies) {
      const [address = '', bits] = range.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      if (bits === undefined) this.#trusted.addAddress(address, family)
      else this.#trusted.addSubnet(address, Number(bits), family)
    }
  }

  /** From now on counts and bounds the server's connections, together with those of other servers. */
  attach(server: HttpServer): void {
    server.on('connection', (socket) => this.#take(socket))
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#of(request.socket)
      if (connection === undefined) return
      connection.response = response
      if (hasBody(request)) {
        this.#wait(connection)
        request.once('end', () => this.#answer(connection, response))
      } else this.#answer(connection, response)
      response.once('close', () => {
        // With pipelined requests, the next one is being answered already.
        if (connection.response !== response) return
        connection.response = null
        this.#answering.delete(connection)
        if (!connection.socket.destroyed && !connection.upgraded) this.#wait(connection)
      })
    })
    server.on('upgrade', ({ socket }: IncomingMessage) => this.#leaveHttp(socket))
    // The TURN process has bounds of its own.
    server.on(HANDED_OVER, (socket: Socket) => this.#leaveHttp(socket))
  }

  /** The connection is no longer one of HTTP, and does not give way. */
  #leaveHttp(socket: Socket): void {
    const connection = this.#of(socket)
    if (connection === undefined) return
    this.#waiting.delete(connection)
    this.#answering.delete(connection)
    connection.upgraded = true
    const ofAddress = this.#addresses.get(connection.address)
    if (ofAddress) ofAddress.webSockets += 1
  }

  #take(socket: Socket): void {
    const remote = socket.remoteAddress
    // Gone already.
    if (remote === undefined) return
    const address = addressKey(remote)
    const trusted = this.#trusted.check(remote, isIP(remote) === 6 ? 'ipv6' : 'ipv4')
    const refusal = this.#refusalOf(address, trusted)
    if (refusal !== undefined) {
      socket.destroy()
      return this.#options.refused(...refusal)
    }
    const connection: Connection = { socket, address, upgraded: false, since: 0, response: null }
    const key = keyOf(socket)
    this.#connections.set(key, connection)
    this.#wait(connection)
    const ofAddress = this.#addresses.get(address) ?? { all: 0, webSockets: 0 }
    this.#addresses.set(address, ofAddress)
    ofAddress.all += 1
    socket.once('close', () => {
      if (this.#connections.get(key) === connection) this.#connections.delete(key)
      this.#waiting.delete(connection)
      this.#answering.delete(connection)
      ofAddress.all -= 1
      if (connection.upgraded) ofAddress.webSockets -= 1
      if (ofAddress.all === 0) this.#addresses.delete(address)
    })
  }

  #refusalOf(address: string, trusted: boolean): Parameters<ConnectionBoundsOptions['refused']> | undefined {
    const { perAddress } = this.#options
    const { all, webSockets } = this.#addresses.get(address) ?? { all: 0, webSockets: 0 }
    const room = this.#room()
    const share = Math.max(1, Math.floor((room + this.#connections.size) * SHARE_OF_ADDRESS))
    if (!trusted && all - webSockets >= perAddress)
      return ['address_connections', `${address} has ${all - webSockets} of ${perAddress} connections`]
    if (!trusted && all >= share)
      return [
        'address_connections',
        `${address} has ${all} connections, half of those for which there are descriptors`,
      ]
    if (room > 0 || this.#giveWay()) return undefined
    const { open, limit } = this.#options.descriptors.count
    return [
      'descriptors',
      `${open} of ${limit} descriptors were open a second ago, and no connection gives way`,
    ]
  }

  /** Number of further connections for which there are descriptors. */
  #room(): number {
    const { count } = this.#options.descriptors
    if (count !== this.#seen.count) this.#seen = { count, connections: this.#connections.size }
    const { open, limit } = count
    if (limit === Number.POSITIVE_INFINITY) return limit
    const opened = this.#connections.size - this.#seen.connections
    return limit - reserveOf(limit) - open - opened
  }

  /** It is the client's turn: to send a request, or the rest of one. */
  #wait(connection: Connection): void {
    this.#answering.delete(connection)
    this.#waiting.delete(connection)
    connection.since = performance.now()
    this.#waiting.add(connection)
  }

  /** It is the hub's turn. */
  #answer(connection: Connection, response: ServerResponse): void {
    if (connection.response !== response) return
    this.#waiting.delete(connection)
    this.#answering.delete(connection)
    connection.since = performance.now()
    this.#answering.add(connection)
  }

  #giveWay(): boolean {
    const [waiting] = this.#waiting
    const untaken = this.#oldestUntaken()
    const oldest =
      waiting === undefined || (untaken !== undefined && untaken.since < waiting.since) ? untaken : waiting
    if (oldest === undefined) return this.#options.turnOut()
    this.#waiting.delete(oldest)
    this.#answering.delete(oldest)
    oldest.socket.destroy()
    return true
  }

  /** The oldest connection whose finished answer the client does not take. */
  #oldestUntaken(): Connection | undefined {
    let looked = 0
    for (const connection of this.#answering) {
      if (connection.response?.writableEnded === true) return connection
      looked += 1
      // Slower answers have a time limit, so none of them is older than an answer that nobody takes for long.
      if (looked === LOOKED_AT) break
    }
    return undefined
  }

  #of(socket: Socket): Connection | undefined {
    return this.#connections.get(keyOf(socket))
  }
}

/** The local address is part of the key: a client may use one port for several of the hub's addresses. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

/** RFC 9112 section 6.3. */
function hasBody({ headers, complete }: IncomingMessage): boolean {
  return (
    !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
  )
}
