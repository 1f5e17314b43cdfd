import { HUB_TENANT_ID } from '../store/store.ts'

/** A node of the directory. */
export interface NodeName {
  /** null for a node that the hub shares with every tenant. */
  readonly tenantId: string | null
  readonly nodeId: string
}

/** The tenant under which the store keeps what belongs to a node. */
export function storeTenant({ tenantId }: NodeName): string {
  return tenantId ?? HUB_TENANT_ID
}

/** A key that no other node has. */
export function nodeKeyOf({ tenantId, nodeId }: NodeName): string {
  return `${tenantId ?? ''}/${nodeId}`
}
