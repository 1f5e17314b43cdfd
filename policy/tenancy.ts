import type { Principal } from '../common/wire/decision.ts'

/**
 * Whether a principal may act in a tenant at all. Everybody belongs to one tenant; only the hub's admin
 * (`tenant_id` null) acts in any.
 *
 * Who may not is answered as if the tenant's things did not exist: a refusal must not tell them apart.
 */
export function mayActIn(principal: Principal, tenantId: string): boolean {
  if (principal.tenant_id === null) return principal.role === 'admin'
  return principal.tenant_id === tenantId
}

/**
 * Whether a thing (stream, node, link, viewer, metric, audit record) is the tenant's to see.
 * @param owner the tenant it belongs to; null for the hub's own, which no tenant sees
 */
export function maySee(tenantId: string, owner: string | null): boolean {
  return owner === tenantId
}

/**
 * Whether media of the tenant may pass a node or link: its own, or what the hub shares with every tenant.
 * @param owner the tenant it belongs to; null for the hub's shared nodes and links
 */
export function mayPass(tenantId: string, owner: string | null): boolean {
  return owner === null || owner === tenantId
}
