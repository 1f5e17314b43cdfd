import { readTurnUrl } from '../../common/net/turn-url.ts'
import type { Topology } from '../topology/graph.ts'
import { ProbedRelay } from './probed-relay.ts'
import type { Relay } from './relay-book.ts'

/** Many nodes may change at once: they are looked at together after this, ms. */
const TOGETHER_MS = 200
/** Most relays that enrolled, and most URLs of one. */
const MOST_RELAYS = 32
const MOST_URLS = 6

export interface EnrolledRelaysOptions {
  readonly topology: Topology
  /** The secret of a node's credentials. @throws where there is none */
  readonly secretOf: (nodeId: string) => string
  /** Relays that the configuration has, or that are the hub's own. */
  readonly known: ReadonlySet<string>
  readonly failed: (error: unknown) => void
}

/**
 * The directory's own relays: nodes with the role `relay` that the hub shares with all tenants, and whose addresses are TURN
 * URLs. A tenant's nodes are left out: whoever enrols there could have the hub ask any address for a sign of life.
 */
export class EnrolledRelays implements Disposable {
  readonly #options: EnrolledRelaysOptions
  readonly #relays = new Map<string, ProbedRelay>()
  readonly #unlisten: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(options: EnrolledRelaysOptions) {
    this.#options = options
    this.#unlisten = options.topology.listen({ structureChanged: () => this.#lookSoon() })
    this.#look()
  }

  get relays(): readonly Relay[] {
    return [...this.#relays.values()]
  }

  [Symbol.dispose](): void {
    this.#unlisten()
    clearTimeout(this.#timer)
    for (const relay of this.#relays.values()) relay[Symbol.dispose]()
    this.#relays.clear()
  }

  #lookSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#look()
    }, TOGETHER_MS).unref()
  }

  #look(): void {
    const { topology, known, failed } = this.#options
    const wanted = new Map<string, readonly string[]>()
    for (const { tenantId, nodeId, entry } of topology.records()) {
      if (tenantId !== null || entry.role !== 'relay' || known.has(nodeId)) continue
      const urls = entry.addresses.filter(isTurnUrl).slice(0, MOST_URLS)
      if (urls.length > 0 && wanted.size < MOST_RELAYS) wanted.set(nodeId, urls)
    }
    for (const [nodeId, relay] of this.#relays) {
      if (wanted.get(nodeId)?.join() === relay.urls.join()) continue
      relay[Symbol.dispose]()
      this.#relays.delete(nodeId)
    }
    for (const [nodeId, urls] of wanted)
      if (!this.#relays.has(nodeId))
        try {
          const secret = this.#options.secretOf(nodeId)
          this.#relays.set(nodeId, new ProbedRelay({ nodeId, urls, secret, region: null, topology }))
        } catch (error) {
          failed(error)
        }
  }
}

function isTurnUrl(address: string): boolean {
  try {
    readTurnUrl(address)
    return true
  } catch {
    return false
  }
}
