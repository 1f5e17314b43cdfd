import type { TlsIdentity } from './hub-request.ts'

/** The hub of this node, and the node's present proof of identity. */
export interface HubAccess {
  readonly hubUrl: string
  readonly identity: () => TlsIdentity
}
