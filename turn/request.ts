import type { Endpoint } from '../common/net/endpoint.ts'
import type { StunMessage } from '../common/stun/stun-message.ts'
import type { StunError } from '../common/stun/stun-types.ts'
import type { StunWriter } from '../common/stun/stun-writer.ts'
import type { Allocation, Client } from './allocation.ts'
import type { Allocations, Quota } from './allocations.ts'
import type { Proved } from './authentication.ts'
import type { PeerRules } from './peer-rules.ts'
import type { RelayPorts } from './relay-ports.ts'
import type { Reservations } from './reservations.ts'

/** A request of somebody who proved who they are. */
export interface Request {
  readonly message: StunMessage
  readonly client: Client
  readonly proved: Proved
}

/** What the methods work on. */
export interface Desk {
  readonly allocations: Allocations
  readonly ports: RelayPorts
  readonly reservations: Reservations
  readonly rules: PeerRules
  /** Whether a peer is this server: packets would go round in circles. */
  isOurs(peer: Endpoint): boolean
  /** Watches a new allocation's socket. */
  began(allocation: Allocation): void
}

/** Why a request is refused, for counters and the audit trail. */
export type Refusal =
  | 'malformed'
  | 'unknown_attribute'
  | 'no_allocation'
  | 'allocation_exists'
  | 'wrong_user'
  | 'transport'
  | 'family'
  | 'peer'
  | 'no_port'
  /** The allocation has as many permissions or channels as it may have. */
  | 'full'
  /** The holder of the contract asks more often than any client does. */
  | 'rate'
  | `quota_${Quota}`

/** What a method answers. An error has its reason for the operator. */
export type Reply =
  | { readonly error: StunError; readonly refusal: Refusal }
  | { readonly success: (writer: StunWriter) => void }
