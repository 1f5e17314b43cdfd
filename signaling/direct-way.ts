import { randomUUID } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { CodedError } from '../common/errors.ts'
import type { DirectAnswer, DirectAskAnswer } from '../common/wire/direct.ts'
import type { DirectSender } from '../sfu/stream-source.ts'

/** What a viewer watches, as far as a direct way depends on it. */
export interface DirectlyWatched {
  readonly contractId: string
  readonly stream: { readonly spec: { readonly tenantId: string }; readonly direct: DirectSender | null }
  ice(): { readonly ice_transport_policy: 'all' | 'relay' }
}

export interface DirectWaysOptions {
  /** Where the viewer's connection comes from; null where nobody knows. */
  readonly address: string | null
  /** Whether the tenant's policy allows direct ways. */
  readonly allowed: (tenantId: string) => boolean
}

interface Way {
  readonly sender: DirectSender
  readonly viewer: string
}

/**
 * Takes the offers of one viewer to the senders of what it watches (mode `lan-direct`). Media then takes the way that ICE
 * finds between the two; the hub only decides who may try.
 */
export class DirectWays implements Disposable {
  readonly #options: DirectWaysOptions
  /** By contract. */
  readonly #ways = new Map<string, Way>()

  constructor(options: DirectWaysOptions) {
    this.#options = options
  }

  ask(watched: DirectlyWatched): DirectAskAnswer {
    const reason = this.#hindrance(watched)
    return { possible: reason === null, reason: reason ?? 'viewer and sender share a network' }
  }

  /** @throws CodedError `direct_unavailable` */
  async offer(watched: DirectlyWatched, sdp: string): Promise<DirectAnswer> {
    const { contractId, stream } = watched
    const reason = this.#hindrance(watched)
    const sender = stream.direct
    if (reason !== null || sender === null)
      throw new CodedError('direct_unavailable', reason ?? 'the sender is gone')
    this.leave(contractId)
    // The sender need not know the contract.
    const way = { sender, viewer: randomUUID() }
    this.#ways.set(contractId, way)
    try {
      return await sender.offer(way.viewer, sdp)
    } catch (error) {
      if (this.#ways.get(contractId) === way) this.#ways.delete(contractId)
      throw error
    }
  }

  /** The viewer watches by the hub again. */
  leave(contractId: string): void {
    const way = this.#ways.get(contractId)
    if (!way) return
    this.#ways.delete(contractId)
    way.sender.leave(way.viewer)
  }

  [Symbol.dispose](): void {
    for (const contractId of [...this.#ways.keys()]) this.leave(contractId)
  }

  #hindrance(watched: DirectlyWatched): string | null {
    const { address, allowed } = this.#options
    const { stream } = watched
    const sender = stream.direct
    if (!allowed(stream.spec.tenantId)) return "the tenant's policy forbids direct ways"
    if (watched.ice().ice_transport_policy === 'relay')
      return 'the media of this viewer goes through relays only'
    if (!sender) return 'the sender of this stream serves no viewer directly'
    if (!shareNetwork(address, sender.address)) return 'viewer and sender are on different networks'
    return null
  }
}

/**
 * Whether two ends that reach the hub from these addresses are worth a try: behind the same NAT, on the same machine, or
 * in the same subnet of the usual size (/24, /64). Not where both are on the hub's own machine: the hub is no detour there.
 */
export function shareNetwork(one: string | null, other: string | null): boolean {
  if (one === null || other === null) return false
  const subnet = subnetOf(one)
  return subnet !== LOOPBACK && subnet !== LOOPBACK6 && subnet === subnetOf(other)
}

const LOOPBACK = '127.0.0'
const LOOPBACK6 = '0:0:0:0'

function subnetOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (!isIPv6(plain)) return plain.split('.').slice(0, 3).join('.')
  const [head = '', tail] = plain.split('::')
  const groups = head.split(':').filter(Boolean)
  const rest = tail === undefined ? [] : tail.split(':').filter(Boolean)
  const zeros = Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0')
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':')
}
