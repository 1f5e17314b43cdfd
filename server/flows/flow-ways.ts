import { isDeepStrictEqual } from 'node:util'
import type { LinkWay, Via } from '../../common/wire/flow-contract.ts'
import type { WayReport } from '../../common/wire/publisher-protocol.ts'
import type { LivePublisherFlow } from './publisher-flow.ts'
import type { PublisherFlows } from './publisher-flows.ts'

export interface FlowWaysOptions {
  readonly flows: Pick<PublisherFlows, 'get'>
  /** A sender's links take other ways now. */
  readonly changed: (flow: LivePublisherFlow, ways: readonly LinkWay[]) => void
}

/** How the links of running contracts reach the hub, as their senders say. Senders that say nothing use UDP. */
export class FlowWays {
  readonly #options: FlowWaysOptions
  /** By contract; only those with a link that takes a detour. */
  readonly #detoured = new Map<string, ReadonlyMap<number, Via>>()

  constructor(options: FlowWaysOptions) {
    this.#options = options
  }

  /** A sender reports. Endpoints that its contract does not have are left out. */
  report(contractId: string, report: WayReport): void {
    const flow = this.#options.flows.get(contractId)
    if (!flow) return
    const before = this.of(flow)
    const detoured = new Map<number, Via>()
    for (const { endpoint, via } of report.ways)
      if (via !== 'udp' && flow.contract.endpoints[endpoint] !== undefined) detoured.set(endpoint, via)
    if (detoured.size > 0) this.#detoured.set(contractId, detoured)
    else this.#detoured.delete(contractId)
    const now = this.of(flow)
    if (!isDeepStrictEqual(before, now)) this.#options.changed(flow, now)
  }

  /** The contract is over. */
  forget(contractId: string): void {
    this.#detoured.delete(contractId)
  }

  /** The way of each endpoint; none for transports without endpoints. */
  of({ contract }: Pick<LivePublisherFlow, 'contract'>): LinkWay[] {
    const detoured = this.#detoured.get(contract.contract_id)
    return contract.endpoints.map(({ port, link }, index) => ({
      port,
      ...(link !== undefined && { link }),
      via: detoured?.get(index) ?? 'udp',
    }))
  }

  /** Why a flow is relayed, in words; null where all its links use UDP. */
  detourOf(contractId: string): string | null {
    const detoured = this.#detoured.get(contractId)
    if (!detoured) return null
    const ways = [...new Set(detoured.values())].map((via) => WORDS[via])
    return `no UDP gets through on ${detoured.size} of its links, which send over ${ways.join(' and ')}`
  }

  /** Numbers of links on a detour, by way. */
  counts(): ReadonlyMap<Via, number> {
    const counts = new Map<Via, number>()
    for (const detoured of this.#detoured.values())
      for (const via of detoured.values()) counts.set(via, (counts.get(via) ?? 0) + 1)
    return counts
  }
}

const WORDS: Readonly<Record<Via, string>> = {
  udp: 'UDP',
  turn: 'a TURN relay',
  wss: 'a WebSocket of the hub',
}
