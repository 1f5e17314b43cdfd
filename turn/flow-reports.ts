import { MAX_FLOWS, type TurnFlow } from '../common/wire/turn-ipc.ts'
import type { Allocation } from './allocation.ts'

/** Ended allocations that wait to be reported; beyond that their last figures are lost. */
const MAX_WAITING = 1000

/** What the hub hears of allocations: those that ended, and those whose figures changed. */
export class FlowReports {
  readonly #ended: TurnFlow[] = []
  readonly #wallMs: () => number
  /** Where the next report begins among the changed ones, where there are too many for one. */
  #next = 0

  /** @param wallMs since 1970 */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs
  }

  ended(allocation: Allocation): void {
    if (this.#ended.length < MAX_WAITING) this.#ended.push(this.#flow(allocation, true))
  }

  /** Those since the last call, at most {@link MAX_FLOWS}: who was left out comes first in the next ones. */
  take(allocations: Iterable<Allocation>): TurnFlow[] {
    const flows = this.#ended.splice(0, MAX_FLOWS)
    const changed = Array.from(allocations).filter((allocation) => allocation.changed)
    const room = Math.min(MAX_FLOWS - flows.length, changed.length)
    for (let count = 0; count < room; count += 1) {
      const allocation = changed[(this.#next + count) % changed.length]!
      allocation.changed = false
      flows.push(this.#flow(allocation, false))
    }
    this.#next = room === changed.length ? 0 : this.#next + room
    return flows
  }

  #flow({ client, user, relay, bytesToPeers, bytesToClient }: Allocation, ended: boolean): TurnFlow {
    return {
      contract_id: user.contractId,
      tenant_id: user.tenantId,
      protocol: client.protocol,
      client: client.address.toString(),
      relayed: relay.announced.toString(),
      bytes_in: bytesToPeers,
      bytes_out: bytesToClient,
      at: Math.round(this.#wallMs()),
      ended,
    }
  }
}
