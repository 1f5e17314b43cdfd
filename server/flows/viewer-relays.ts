import type { RelayChoice } from '../../common/wire/decision.ts'
import type { IceAccess } from '../../common/wire/flow-contract.ts'
import type { ViewerPath } from '../../common/wire/viewer-protocol.ts'
import { type ContractRelays, NO_CONTRACT_RELAYS } from '../relays/contract-relays.ts'
import type { ContractUsage } from '../relays/turn-usage.ts'
import type { PlaceHolder } from './viewer-places.ts'

/**
 * Contracts of one viewer that relays may run by. A viewer has a new contract every few minutes, or as often as it asks:
 * credentials of the first are long over when the last one begins.
 */
const MOST_LEASES = 16

/** A viewer's contract, as far as relays are concerned. */
interface Leased {
  readonly tenantId: string
  readonly contractId: string
  readonly holder: Pick<PlaceHolder, 'name'>
  readonly relay: RelayChoice
}

/**
 * The relays of the viewers' contracts. A transport lives on when its contract is renewed, or when the first of its
 * streams ends, and what it allocated by the contract before must not end then: that belongs to the next contract.
 */
export class ViewerRelays {
  readonly #relays: ContractRelays
  /** Contracts by whose credentials the viewer of a contract may have allocated: its own, and those before it. */
  readonly #leases = new Map<string, Set<string>>()

  constructor(relays: ContractRelays = NO_CONTRACT_RELAYS) {
    this.#relays = relays
  }

  add({ contractId }: Pick<Leased, 'contractId'>): void {
    this.#leases.set(contractId, new Set([contractId]))
  }

  /** @param lifetimeS life of the credentials, s; minutes where left out */
  ice(
    { tenantId, contractId, holder: { name: holder }, relay: choice }: Leased,
    lifetimeS?: number,
  ): IceAccess {
    const lease = { tenantId, contractId, holder, choice }
    return this.#relays.ice({ ...lease, ...(lifetimeS !== undefined && { lifetimeS }) })
  }

  /** What goes on by one contract belongs to another from now on, if that one is there. */
  pass(from: string, to: string): void {
    const [passed, taking] = [this.#leases.get(from), this.#leases.get(to)]
    if (!passed || !taking || passed === taking) return
    for (const lease of passed) taking.add(lease)
    passed.clear()
    while (taking.size > MOST_LEASES) this.#end(taking, to)
  }

  /** A contract is over, and with it what it has not passed on. */
  end(contractId: string): void {
    for (const lease of this.#leases.get(contractId) ?? []) this.#relays.ended(lease)
    this.#leases.delete(contractId)
  }

  /** Ends the oldest contract before the present one, of those by which nothing runs where there are any. */
  #end(leases: Set<string>, present: string): void {
    // Each contract stands before those that were passed to it.
    const former = [...leases].filter((lease) => lease !== present).toReversed()
    const ended = former.find((lease) => this.#relays.usageOf([lease]) === null) ?? former[0]!
    leases.delete(ended)
    this.#relays.ended(ended)
  }

  /** What runs now through the hub's own relay; null for nothing. */
  usageOf(contractId: string): ContractUsage | null {
    return this.#relays.usageOf(this.#leases.get(contractId) ?? [])
  }

  /** With the relay's node, where the hub knows its URL. */
  named(path: ViewerPath | null): ViewerPath | null {
    if (path === null || path.relay === null) return path
    return { ...path, relay: this.#relays.nodeOf(path.relay) ?? path.relay }
  }
}
