import type { IceAccess } from '../../common/wire/flow-contract.ts'
import type { RelayFacts } from '../../policy/relays.ts'
import { MAX_CREDENTIAL_S, turnCredential, turnUsername } from '../../turn/credentials.ts'
import type { ContractRelays, RelayLease } from './contract-relays.ts'

/** One TURN server, as contracts name it. */
export interface Relay {
  readonly nodeId: string
  readonly facts: RelayFacts
  /** In the order to try. */
  readonly urls: readonly string[]
  /** From which its credentials are made (draft-uberti-behave-turn-rest). */
  readonly secret: string
  /** A contract ended; left out where the server can not be told. */
  ended?(contractId: string): void
}

/** Relays of one contract. A browser allocates at each URL, and is slow with five servers or more. */
const MOST_OFFERED = 2

/** The relays of this hub: its own, and those elsewhere. */
export class RelayBook implements ContractRelays {
  readonly #relays: readonly Relay[]
  readonly #now: () => number

  /** @param now the machine's clock, Unix ms: relays compare the end of a credential with their own clocks */
  constructor(relays: readonly Relay[], now: () => number = Date.now) {
    this.#relays = relays
    this.#now = now
  }

  get facts(): readonly RelayFacts[] {
    return this.#relays.map(({ facts }) => facts)
  }

  ice({ tenantId, contractId, choice, lifetimeS = MAX_CREDENTIAL_S }: RelayLease): IceAccess {
    const username = turnUsername(tenantId, contractId, Math.floor(this.#now() / 1000) + lifetimeS)
    const up = choice.nodes
      .map((nodeId) => this.#relays.find((relay) => relay.nodeId === nodeId))
      .filter((relay) => relay !== undefined && relay.facts.down === null && relay.urls.length > 0)
    return {
      ice_servers: up.slice(0, MOST_OFFERED).map((relay) => ({
        urls: [...relay!.urls],
        username,
        credential: turnCredential(relay!.secret, username),
      })),
      ice_transport_policy: choice.ice_transport_policy,
    }
  }

  ended(contractId: string): void {
    for (const relay of this.#relays) relay.ended?.(contractId)
  }
}
