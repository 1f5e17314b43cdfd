import type { AddressKey, Endpoint } from '../common/net/endpoint.ts'
import type { TurnProtocol } from '../common/wire/turn-ipc.ts'
import type { TurnUser } from './credentials.ts'
import { SendQueue } from './packets.ts'
import type { Ceilings } from './rate-bucket.ts'
import type { RelaySocket } from './relay-ports.ts'

/** Life of a permission and of a channel without renewal, RFC 8656, sections 9 and 12. */
export const PERMISSION_MS = 300_000
export const CHANNEL_MS = 600_000
/** Most of each that one allocation has: a viewer talks to a handful of addresses. */
export const MAX_PERMISSIONS = 128
export const MAX_CHANNELS = 128

export interface Channel {
  readonly number: number
  readonly peer: Endpoint
  expiresMs: number
}

/**
 * One 5-tuple: a client's address at a listening port over UDP, or a connection over TCP or TLS. It has at most one
 * allocation (RFC 8656, section 3).
 */
export interface Client {
  readonly protocol: TurnProtocol
  readonly address: Endpoint
  allocation: Allocation | null
  /** It has an allocation now, or has none any more. */
  began(): void
  ended(): void
  /**
   * Sends a packet at the end of the turn, or drops it where the client reads too slowly.
   * @param start in the process's `Packets`, with headroom
   */
  send(start: number, length: number): void
}

/** What the allocations of a tenant have together. */
export interface Tenant {
  readonly ceilings: Ceilings
  allocations: number
}

export interface AllocationOptions {
  readonly client: Client
  readonly username: string
  readonly user: TurnUser
  readonly tenant: Tenant
  readonly relay: RelaySocket
  /** Id of the request that asked for it: the same request again gets the same answer. */
  readonly transaction: string
  readonly reservation: Buffer | null
  readonly ceilings: Ceilings
  readonly expiresMs: number
}

/** What one client may use: a relayed port, the peers that may send to it, and its channels. Times by a steady clock, ms. */
export class Allocation {
  readonly client: Client
  readonly username: string
  readonly user: TurnUser
  readonly tenant: Tenant
  readonly relay: RelaySocket
  readonly queue: SendQueue
  readonly transaction: string
  readonly reservation: Buffer | null
  readonly ceilings: Ceilings
  expiresMs: number
  /** Payload relayed since it began. */
  bytesToPeers = 0
  bytesToClient = 0
  /** Whether the figures changed since they were last reported. */
  changed = true
  readonly #permissions = new Map<AddressKey, number>()
  readonly #channels = new Map<number, Channel>()
  readonly #channelsByPeer = new Map<AddressKey, Channel>()

  constructor(options: AllocationOptions) {
    this.client = options.client
    this.username = options.username
    this.user = options.user
    this.tenant = options.tenant
    this.relay = options.relay
    this.queue = new SendQueue(options.relay.socket)
    this.transaction = options.transaction
    this.reservation = options.reservation
    this.ceilings = options.ceilings
    this.expiresMs = options.expiresMs
  }

  /** Whether so many addresses can get permission. */
  hasRoomFor(peers: readonly Endpoint[], nowMs: number): boolean {
    const added = new Set(
      peers.map(({ addressKey }) => addressKey).filter((key) => !this.#permissions.has(key)),
    )
    if (this.#permissions.size + added.size > MAX_PERMISSIONS)
      for (const [key, expiresMs] of this.#permissions) if (expiresMs <= nowMs) this.#permissions.delete(key)
    return this.#permissions.size + added.size <= MAX_PERMISSIONS
  }

  permit(peer: Endpoint, nowMs: number): void {
    this.#permissions.set(peer.addressKey, nowMs + PERMISSION_MS)
  }

  /** Whether packets pass from and to an address. */
  permits(address: AddressKey, nowMs: number): boolean {
    return (this.#permissions.get(address) ?? 0) > nowMs
  }

  /** A channel that is bound; undefined for any other number. */
  channel(number: number, nowMs: number): Channel | undefined {
    const channel = this.#channels.get(number)
    return channel && channel.expiresMs > nowMs ? channel : undefined
  }

  /** The channel of a peer, by {@link Endpoint.key}. */
  channelOf(peer: AddressKey, nowMs: number): Channel | undefined {
    const channel = this.#channelsByPeer.get(peer)
    return channel && channel.expiresMs > nowMs ? channel : undefined
  }

  /**
   * Binds a channel, or renews it, and permits the peer (RFC 8656, section 12.2).
   * @returns whether that may be: number and peer may not be bound otherwise, and there must be room
   */
  bind(number: number, peer: Endpoint, nowMs: number): 'bound' | 'contradicts' | 'full' {
    const [byNumber, byPeer] = [this.channel(number, nowMs), this.channelOf(peer.key, nowMs)]
    if (byNumber !== byPeer) return 'contradicts'
    if (!byNumber) {
      for (const stale of this.#channels.values()) if (stale.expiresMs <= nowMs) this.#unbind(stale)
      if (this.#channels.size === MAX_CHANNELS) return 'full'
      const channel = { number, peer, expiresMs: 0 }
      this.#channels.set(number, channel)
      this.#channelsByPeer.set(peer.key, channel)
    }
    this.#channels.get(number)!.expiresMs = nowMs + CHANNEL_MS
    this.permit(peer, nowMs)
    return 'bound'
  }

  #unbind({ number, peer }: Channel): void {
    this.#channels.delete(number)
    this.#channelsByPeer.delete(peer.key)
  }
}
