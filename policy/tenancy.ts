import type { Principal } from '../common/wire/decision.ts'

/**
 * Whether a principal may act in a tenant at all. Everybody belongs to one tenant. Only the hub's admin (`tenant_id`
 * null) acts in any tenant.
 *
 * Others get the same answer as if the tenant's things did not exist, so that a refusal gives nothing away.
 */
export function mayActIn(principal: Principal, tenantId: string): boolean {
  if (principal.tenant_id === null) return principal.role === 'admin'
  return principal.tenant_id === tenantId
}

/**
 * Whether the tenant may see a thing (stream, node, link, viewer, metric, audit record).
 * @param owner the tenant of the thing; null for the hub's own things, which no tenant sees
 */
export function maySee(tenantId: string, owner: string | null): boolean {
  return owner === tenantId
}

/**
 * Whether the tenant's media may pass a node or link: the tenant's own, or one that the hub shares with every tenant.
 * @param owner the tenant of the node or link; null for shared ones
 */
export function mayPass(tenantId: string, owner: string | null): boolean {
  return owner === null || owner === tenantId
}
