import type { HubClock } from './hub-clock.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** The hub of this node, and the node's present proof of identity. */
export interface HubAccess {
  readonly hubUrl: string
  readonly identity: () => TlsIdentity
  /** Learns the hub's time from every answer. */
  readonly clock: HubClock
}
