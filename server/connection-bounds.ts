import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import { BlockList, isIP, type Socket } from 'node:net'
import { addressKey } from './auth/address-key.ts'
import { type Descriptors, reserveOf } from './descriptors.ts'

/** What one address may have of what there is for connections: others get in, whatever it does. */
const SHARE_OF_ADDRESS = 0.5

export interface ConnectionBoundsOptions {
  /** Most connections of one address at once that are no WebSockets. */
  readonly perAddress: number
  /** Addresses and ranges of proxies: behind each are many clients. */
  readonly trustedProxies: readonly string[]
  readonly descriptors: Pick<Descriptors, 'count'>
  /** Closes a WebSocket that showed no good ticket yet. Answers whether there was one. */
  readonly turnOut: () => boolean
  /** A connection was closed before anything was read of it. */
  readonly refused: (reason: 'address_connections' | 'descriptors', detail: string) => void
}

interface Connection {
  readonly socket: Socket
  readonly address: string
  upgraded: boolean
}

interface OfAddress {
  /** All of them, WebSockets too. */
  all: number
  webSockets: number
}

/**
 * How many connections the hub holds: so many of an address, and never so many that descriptors run out. Where there is
 * no room, connections on which nothing is being answered give way, the oldest first: half-sent requests, idle ones, and
 * WebSockets that show no ticket.
 */
export class ConnectionBounds {
  readonly #options: ConnectionBoundsOptions
  readonly #trusted = new BlockList()
  readonly #addresses = new Map<string, OfAddress>()
  /** By what tells them apart, since TLS has a socket of its own for each. */
  readonly #connections = new Map<string, Connection>()
  /** Those on which nothing is being answered, oldest first. */
  readonly #waiting = new Set<Connection>()
  /** What `descriptors` said last, and how many connections there were then. */
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

  /** From here on the server's connections are counted and bounded. */
  attach(server: HttpServer): void {
    server.on('connection', (socket) => this.#take(socket))
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#of(request.socket)
      if (connection === undefined) return
      this.#waiting.delete(connection)
      response.once('close', () => {
        if (!connection.socket.destroyed && !connection.upgraded) this.#waiting.add(connection)
      })
    })
    server.on('upgrade', ({ socket }: IncomingMessage) => {
      const connection = this.#of(socket)
      if (connection === undefined) return
      this.#waiting.delete(connection)
      connection.upgraded = true
      const ofAddress = this.#addresses.get(connection.address)
      if (ofAddress) ofAddress.webSockets += 1
    })
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
    const connection = { socket, address, upgraded: false }
    const key = keyOf(socket)
    this.#connections.set(key, connection)
    this.#waiting.add(connection)
    const ofAddress = this.#addresses.get(address) ?? { all: 0, webSockets: 0 }
    this.#addresses.set(address, ofAddress)
    ofAddress.all += 1
    socket.once('close', () => {
      if (this.#connections.get(key) === connection) this.#connections.delete(key)
      this.#waiting.delete(connection)
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
        `${address} has ${all} connections, half of what there are descriptors for`,
      ]
    if (room > 0 || this.#giveWay()) return undefined
    const { open, limit } = this.#options.descriptors.count
    return ['descriptors', `${open} of ${limit} descriptors were open a second ago, and none gives way`]
  }

  /** How many more connections there are descriptors for. */
  #room(): number {
    const { count } = this.#options.descriptors
    if (count !== this.#seen.count) this.#seen = { count, connections: this.#connections.size }
    const { open, limit } = count
    if (limit === Number.POSITIVE_INFINITY) return limit
    const opened = this.#connections.size - this.#seen.connections
    return limit - reserveOf(limit) - open - opened
  }

  #giveWay(): boolean {
    const [oldest] = this.#waiting
    if (oldest === undefined) return this.#options.turnOut()
    this.#waiting.delete(oldest)
    oldest.socket.destroy()
    return true
  }

  #of(socket: Socket): Connection | undefined {
    return this.#connections.get(keyOf(socket))
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
