import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { CodedError, messageOf } from '../../common/errors.ts'
import { Endpoint } from '../../common/net/endpoint.ts'
import type { Endpoint as ContractEndpoint } from '../../common/wire/flow-contract.ts'
import type { Carrier, CarrierListener, CarrierOptions } from './carrier.ts'
import { DatagramQueue } from './datagram-queue.ts'
import { SentBytes } from './sent-bytes.ts'
import { unacknowledged } from './socket-queue.ts'
import { TurnClient } from './turn-client.ts'
import type { TurnServerAddress } from './turn-url.ts'

/** Channels last ten minutes and their permissions five (RFC 8656 sections 9 and 12), and the allocation ten. */
const REFRESH_EVERY_MS = 4 * 60_000
/** How soon to look again whether a congested connection has room, ms. */
const LOOK_AGAIN_MS = 10

/** Carries datagrams by the channels of a TURN allocation, which is reached over TCP or TLS. */
export class TurnCarrier implements Carrier {
  readonly via = 'turn'
  readonly #listener: CarrierListener
  readonly #queue: DatagramQueue
  readonly #sent: SentBytes
  readonly #refresh: NodeJS.Timeout
  #client: TurnClient | null = null
  #peers: readonly Endpoint[] = []
  #open = false
  #again: NodeJS.Timeout | null = null
  #closed = false

  /**
   * Allocates, and binds a channel to each endpoint of the contract.
   * @throws CodedError `detour_lost`
   */
  static async open(
    server: TurnServerAddress,
    endpoints: readonly ContractEndpoint[],
    { queueMs, listener, signal }: Omit<CarrierOptions, 'ticket'>,
  ): Promise<TurnCarrier> {
    const carrier = new TurnCarrier(queueMs, listener)
    try {
      carrier.#client = await TurnClient.open(
        server,
        (link, datagram) => listener.heard(link, Buffer.from(datagram)),
        () => carrier.#over('the connection is lost'),
        signal,
      )
      carrier.#peers = await Promise.all(endpoints.map(peerOf))
      await carrier.#bind(carrier.#client)
      if (carrier.#closed) throw new CodedError('detour_lost', 'the TURN server closed the connection')
      carrier.#open = true
      return carrier
    } catch (cause) {
      carrier[Symbol.dispose]()
      if (cause instanceof CodedError) throw cause
      throw new CodedError('detour_lost', `no TURN allocation: ${messageOf(cause)}`, { cause })
    }
  }

  private constructor(queueMs: number, listener: CarrierListener) {
    this.#listener = listener
    // Half of the time may pass here, the other half on the way to the TURN server.
    this.#queue = new DatagramQueue(queueMs / 2)
    this.#sent = new SentBytes(queueMs / 2)
    this.#refresh = setInterval(() => void this.#keep(), REFRESH_EVERY_MS)
  }

  get dropped(): number {
    return this.#queue.dropped
  }

  send(link: number, datagram: Uint8Array): void {
    if (this.#closed) return
    this.#queue.push(link, datagram, performance.now())
    this.#flush()
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#refresh)
    if (this.#again) clearTimeout(this.#again)
    this.#client?.[Symbol.dispose]()
    this.#client = null
  }

  #flush(): void {
    const client = this.#client
    if (this.#closed || this.#again || !client) return
    const now = performance.now()
    for (let next = this.#queue.peek(now); next; next = this.#queue.peek(now)) {
      if (this.#sent.congested(unacknowledged(client.socket), client.roundTripMs, now)) {
        this.#again = setTimeout(() => {
          this.#again = null
          this.#flush()
        }, LOOK_AGAIN_MS)
        return
      }
      this.#sent.sent(client.send(next.link, next.datagram), now)
      this.#queue.take()
    }
  }

  async #bind(client: TurnClient): Promise<void> {
    for (const [link, peer] of this.#peers.entries()) await client.bind(link, peer)
  }

  async #keep(): Promise<void> {
    const client = this.#client
    if (!client) return
    try {
      await client.refresh()
      await this.#bind(client)
    } catch (error) {
      this.#over(messageOf(error))
    }
  }

  #over(why: string): void {
    if (this.#closed) return
    this[Symbol.dispose]()
    // While it opens, whoever waits for it is told.
    if (this.#open) this.#listener.lost(why)
  }
}

/** TURN knows addresses, not names. */
async function peerOf({ address, port }: ContractEndpoint): Promise<Endpoint> {
  return Endpoint.of(isIP(address) === 0 ? (await lookup(address)).address : address, port)
}
