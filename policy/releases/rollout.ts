import { createHash } from 'node:crypto'

/** Who gets a release. */
export interface Rollout {
  /** null: nodes of every tenant, and the hub's own. */
  readonly tenants: readonly string[] | null
  /** Share of these nodes, 0 to 100. */
  readonly percent: number
  /** Nobody gets it any more, whatever else stands here. */
  readonly halted: boolean
}

/** A node that asks. */
export interface RolloutNode {
  readonly tenantId: string | null
  readonly nodeId: string
}

/**
 * Whether a node is among those that get a release. A higher share adds nodes and takes none away. Which come first differs from
 * release to release: the same devices are not always the ones that try.
 */
export function isInRollout(version: string, rollout: Rollout, { tenantId, nodeId }: RolloutNode): boolean {
  const { tenants, percent, halted } = rollout
  if (halted) return false
  if (tenants !== null && (tenantId === null || !tenants.includes(tenantId))) return false
  const place = createHash('sha256')
    .update(JSON.stringify([version, tenantId, nodeId]))
    .digest()
  return (place.readUInt32BE() / 2 ** 32) * 100 < percent
}
