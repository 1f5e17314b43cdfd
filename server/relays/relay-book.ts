import { isDeepStrictEqual } from 'node:util'
import { readTurnUrl, type TurnUrl } from '../../common/net/turn-url.ts'
import type { IceAccess } from '../../common/wire/flow-contract.ts'
import type { RelayFacts } from '../../policy/relays.ts'
import { MAX_CREDENTIAL_S, subjectTag, turnCredential, turnUsername } from '../../turn/credentials.ts'
import type { ContractRelays, RelayLease } from './contract-relays.ts'
import type { ContractUsage, TurnUsage } from './turn-usage.ts'

/** One TURN server, as contracts name it. */
export interface Relay {
  readonly nodeId: string
  readonly facts: RelayFacts
  /** In the order to try. */
  readonly urls: readonly string[]
  /** From which its credentials are made (draft-uberti-behave-turn-rest). */
  readonly secret: string
  /**
   * A contract ended; left out where the server can not be told.
   * @param credentialsUntilMs end of the contract's last credential, Unix ms
   */
  ended?(contractId: string, credentialsUntilMs: number): void
  /** What each contract relays now; left out where nobody knows. */
  readonly usage?: Pick<TurnUsage, 'of'>
}

/** Relays of one contract. A browser allocates at each URL, and is slow with five servers or more. */
const MOST_OFFERED = 2

/** The relays of this hub: its own, and those elsewhere. */
export class RelayBook implements ContractRelays {
  readonly #source: () => readonly Relay[]
  readonly #now: () => number
  /** Contracts with credentials of an unusual life, and the end of the last one, Unix ms. */
  readonly #longLived = new Map<string, number>()

  /**
   * @param relays those of this moment
   * @param now the machine's clock, Unix ms: relays compare the end of a credential with their own clocks
   */
  constructor(relays: () => readonly Relay[], now: () => number = Date.now) {
    this.#source = relays
    this.#now = now
  }

  get #relays(): readonly Relay[] {
    return this.#source()
  }

  get facts(): readonly RelayFacts[] {
    return this.#relays.map(({ facts }) => facts)
  }

  ice({ tenantId, contractId, holder, choice, lifetimeS = MAX_CREDENTIAL_S }: RelayLease): IceAccess {
    const untilS = Math.floor(this.#now() / 1000) + lifetimeS
    if (lifetimeS > MAX_CREDENTIAL_S) this.#longLived.set(contractId, untilS * 1000)
    const up = choice.nodes
      .map((nodeId) => this.#relays.find((relay) => relay.nodeId === nodeId))
      .filter((relay) => relay !== undefined && relay.facts.down === null && relay.urls.length > 0)
    return {
      ice_servers: up.slice(0, MOST_OFFERED).map((relay) => {
        const { secret, urls } = relay!
        const subject = subjectTag(secret, tenantId, holder)
        const username = turnUsername({ expiresAtS: untilS, tenantId, contractId, subject })
        return { urls: [...urls], username, credential: turnCredential(secret, username) }
      }),
      ice_transport_policy: choice.ice_transport_policy,
    }
  }

  nodeOf(url: string): string | null {
    const named = parsed(url)
    const has = (relay: Relay) => relay.urls.some((each) => isDeepStrictEqual(parsed(each), named))
    return named === null ? null : (this.#relays.find(has)?.nodeId ?? null)
  }

  usageOf(contractIds: Iterable<string>): ContractUsage | null {
    for (const { usage } of this.#relays) {
      const used = usage?.of(contractIds)
      if (used) return used
    }
    return null
  }

  ended(contractId: string): void {
    const until = this.#longLived.get(contractId) ?? this.#now() + MAX_CREDENTIAL_S * 1000
    this.#longLived.delete(contractId)
    for (const relay of this.#relays) relay.ended?.(contractId, until)
  }
}

/** Browsers write the same URL in other ways. */
function parsed(url: string): TurnUrl | null {
  try {
    return readTurnUrl(url)
  } catch {
    return null
  }
}
