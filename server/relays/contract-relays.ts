import type { RelayChoice } from '../../common/wire/decision.ts'
import { type IceAccess, NO_RELAYS } from '../../common/wire/flow-contract.ts'
import type { ContractUsage } from './turn-usage.ts'

/** The contract that credentials are for. */
export interface RelayLease {
  readonly tenantId: string
  readonly contractId: string
  /** Whose contract it is: the owner of a token, or the address of somebody without one. */
  readonly holder: string
  /** As the contract's decision has it. */
  readonly choice: RelayChoice
  /** Life of the credentials, s; minutes where left out. */
  readonly lifetimeS?: number
}

/** What contracts need of relays. */
export interface ContractRelays {
  /** The relays of the choice that are up now, with credentials that begin to age now. */
  ice(lease: RelayLease): IceAccess
  /** Nothing may go on by credentials of this contract. */
  ended(contractId: string): void
  /** The relay with this URL, a node of the directory; null for a foreign one. */
  nodeOf(url: string): string | null
  /** What runs now through the hub's own relay by credentials of these contracts; null for nothing. */
  usageOf(contractIds: Iterable<string>): ContractUsage | null
}

/** Where there are no relays. */
export const NO_CONTRACT_RELAYS: ContractRelays = {
  ice: ({ choice: { ice_transport_policy } }) => ({ ...NO_RELAYS, ice_transport_policy }),
  ended() {},
  nodeOf: () => null,
  usageOf: () => null,
}

/**
 * Life of credentials for WHIP and WHEP, s. Their clients get credentials only with the answer to their offer, and may
 * allocate anew at each ICE restart, after any number of renewals of the contract.
 */
export const SESSION_CREDENTIAL_S = 24 * 3600
