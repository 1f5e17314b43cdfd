import { randomBytes } from 'node:crypto'
import { addressKey, Endpoint, endpointKey, isAt } from '../common/net/endpoint.ts'
import { readXorAddress, xorAddressBytes } from '../common/stun/stun-address.ts'
import type { StunMessage } from '../common/stun/stun-message.ts'
import {
  ATTRIBUTE,
  CHANNEL_HEADER_BYTES,
  CLASS,
  HEADER_BYTES,
  METHOD,
  padded,
  TRANSACTION_BYTES,
} from '../common/stun/stun-types.ts'
import { StunWriter } from '../common/stun/stun-writer.ts'
import type { Allocation, Channel, Client } from './allocation.ts'
import type { Packets } from './packets.ts'
import type { PeerRules } from './peer-rules.ts'

const ATTRIBUTE_HEADER = 4
/** Longest DATA: the attribute's length has 16 bits, and so has the message's, which counts other attributes too. */
const MAX_DATA = 0xffff - 64

export interface RelayingOptions {
  readonly packets: Packets
  readonly rules: PeerRules
  /** Whether a peer is this server. */
  readonly isOurs: (peer: Endpoint) => boolean
  readonly nowMs: () => number
}

/** Packets between clients and peers. Nothing here makes objects for a packet on a channel. */
export class Relaying {
  /** Payload since the process began. */
  bytesToPeers = 0
  bytesToClients = 0
  /** Packets that the rules of TURN drop: no permission, no channel, malformed, above a ceiling. */
  dropped = 0
  readonly #packets: Packets
  readonly #rules: PeerRules
  readonly #isOurs: RelayingOptions['isOurs']
  readonly #nowMs: () => number
  /** Of Data indications: nobody answers them, so the ids only have to differ. */
  readonly #transaction = randomBytes(TRANSACTION_BYTES)
  #indications = 0
  /** Packets come in bursts: the last one's channel is most often the next one's, too. */
  #lastAllocation: Allocation | null = null
  #lastChannel: Channel | null = null

  constructor({ packets, rules, isOurs, nowMs }: RelayingOptions) {
    this.#packets = packets
    this.#rules = rules
    this.#isOurs = isOurs
    this.#nowMs = nowMs
  }

  /** ChannelData of a client, RFC 8656, section 12.6. */
  channelData(client: Client, start: number, length: number): void {
    const { allocation } = client
    const { bytes } = this.#packets
    if (!allocation || length < CHANNEL_HEADER_BYTES) return this.#drop()
    const payload = (bytes[start + 2]! << 8) | bytes[start + 3]!
    if (payload > length - CHANNEL_HEADER_BYTES) return this.#drop()
    const channel = allocation.channel((bytes[start]! << 8) | bytes[start + 1]!, this.#nowMs())
    if (!channel || !allocation.permits(channel.peer.addressKey, this.#nowMs())) return this.#drop()
    this.#toPeer(allocation, start + CHANNEL_HEADER_BYTES, payload, channel.peer)
  }

  /** A Send indication, RFC 8656, section 11.2. What is wrong with it is dropped without a word. */
  send(client: Client, message: StunMessage): void {
    const { allocation } = client
    const { bytes, start } = message
    const [data, found] = [message.find(ATTRIBUTE.data), message.find(ATTRIBUTE.xorPeerAddress)]
    if (!allocation || !data || !found || message.unknown.length > 0) return this.#drop()
    const peer = readXorAddress(bytes, start, found.at, found.length)
    if (!peer || peer.family !== allocation.relay.announced.family || this.#isOurs(peer)) return this.#drop()
    if (!allocation.permits(peer.addressKey, this.#nowMs()) || !this.#rules.allows(peer.ip, peer.port))
      return this.#drop()
    if (!message.has(ATTRIBUTE.dontFragment)) return this.#toPeer(allocation, data.at, data.length, peer)
    // The socket says it for all its packets, so what waits leaves before and after.
    this.#packets.flush()
    allocation.relay.fragments(false)
    this.#toPeer(allocation, data.at, data.length, peer)
    this.#packets.flush()
    allocation.relay.fragments(true)
  }

  /**
   * A packet of a peer, RFC 8656, section 11.3. The header is written in front of it, in the headroom.
   * @param from index of the peer's address in the received addresses
   */
  fromPeer(allocation: Allocation, start: number, length: number, from: number): void {
    const { froms } = this.#packets
    const nowMs = this.#nowMs()
    let channel = allocation === this.#lastAllocation ? this.#lastChannel : null
    if (!channel || channel.expiresMs <= nowMs || !isAt(channel.peer.words, froms, from)) {
      channel = allocation.channelOf(endpointKey(froms, from), nowMs) ?? null
      this.#lastAllocation = allocation
      this.#lastChannel = channel
    }
    const { client, ceilings, tenant } = allocation
    if (!allocation.permits(channel?.peer.addressKey ?? addressKey(froms, from), nowMs)) return this.#drop()
    if (!ceilings.toClient.take(length, nowMs) || !tenant.ceilings.toClient.take(length, nowMs))
      return this.#drop()
    allocation.bytesToClient += length
    allocation.changed = true
    this.bytesToClients += length
    if (channel) this.#channelToClient(client, channel.number, start, length)
    else this.#dataToClient(client, Endpoint.at(froms, from), start, length)
  }

  #toPeer(allocation: Allocation, start: number, length: number, peer: Endpoint): void {
    const nowMs = this.#nowMs()
    if (!allocation.ceilings.toPeers.take(length, nowMs)) return this.#drop()
    if (!allocation.tenant.ceilings.toPeers.take(length, nowMs)) return this.#drop()
    allocation.bytesToPeers += length
    allocation.changed = true
    this.bytesToPeers += length
    this.#packets.send(allocation.queue, start, length, peer)
  }

  #channelToClient(client: Client, number: number, start: number, length: number): void {
    const { bytes } = this.#packets
    const at = start - CHANNEL_HEADER_BYTES
    bytes[at] = number >>> 8
    bytes[at + 1] = number & 0xff
    bytes[at + 2] = length >>> 8
    bytes[at + 3] = length & 0xff
    if (client.protocol === 'udp') return client.send(at, length + CHANNEL_HEADER_BYTES)
    // Over a stream the next frame starts at a multiple of 4, RFC 8656, section 12.5.
    bytes.fill(0, start + length, start + padded(length))
    client.send(at, padded(length) + CHANNEL_HEADER_BYTES)
  }

  #dataToClient(client: Client, peer: Endpoint, start: number, length: number): void {
    if (length > MAX_DATA) return this.#drop()
    const { bytes } = this.#packets
    const address = ATTRIBUTE_HEADER + xorAddressBytes(peer.family)
    const at = start - HEADER_BYTES - address - ATTRIBUTE_HEADER
    this.#transaction.writeUInt32BE(this.#indications++ >>> 0, TRANSACTION_BYTES - 4)
    const writer = new StunWriter(bytes, at, METHOD.data | CLASS.indication, this.#transaction)
    writer.address(ATTRIBUTE.xorPeerAddress, peer).inPlace(ATTRIBUTE.data, length)
    client.send(at, writer.length)
  }

  #drop(): void {
    this.dropped += 1
  }
}
