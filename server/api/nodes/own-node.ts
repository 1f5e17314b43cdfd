import { z } from 'zod'
import { SYSTEM_CLOCK } from '../../../common/clock.ts'
import { CodedError } from '../../../common/errors.ts'
import { nodeIdSchema, tenantIdSchema } from '../../../common/wire/ids.ts'
import { DEFAULT_TENANT } from '../../../common/wire/stream.ts'
import type { NodeView } from '../../../common/wire/topology.ts'
import { nodeView } from '../../topology/views.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { notFound } from '../refusals.ts'
import type { RouteContext } from '../route.ts'

export const nodeParams = z.strictObject({ node_id: nodeIdSchema })
/** The tenant of the node, from the hub's admin. For everybody else the node is one of their own tenant. */
export const nodeQuery = z.strictObject({ tenant_id: tenantIdSchema.optional() })

/**
 * The owner of the named node (null: the hub itself). The tenant's own node comes before a shared node of the same
 * name. If the hub's admin names no tenant, the node is a shared node, else a node of the default tenant.
 * @throws CodedError `node_not_found` (404)
 */
export function ownerOfNode(
  { topology }: Pick<AdministrationParts, 'topology'>,
  { tenantFilter }: RouteContext,
  nodeId: string,
): string | null {
  const places = tenantFilter === null ? [null, DEFAULT_TENANT] : [tenantFilter, null]
  const owner = places.find((tenantId) => topology.record(tenantId, nodeId) !== undefined)
  if (owner === undefined) throw notFound('node')
  return owner
}

/** As `ownerOfNode`, for changes: only the admin changes shared nodes. @throws CodedError also `denied` (403) */
export function writableOwner(
  parts: Pick<AdministrationParts, 'topology'>,
  context: RouteContext,
  nodeId: string,
): string | null {
  return adminsOwner(parts, context, nodeId, 'changes it')
}

/**
 * As `ownerOfNode`, for what a field sender is to do, does and tells: where it is, and its cameras' addresses. Of shared
 * nodes only the admin reads that. @throws CodedError also `denied` (403)
 */
export function ownerOfField(
  parts: Pick<AdministrationParts, 'topology'>,
  context: RouteContext,
  nodeId: string,
): string | null {
  return adminsOwner(parts, context, nodeId, 'reads this')
}

function adminsOwner(
  parts: Pick<AdministrationParts, 'topology'>,
  context: RouteContext,
  nodeId: string,
  what: string,
): string | null {
  const owner = ownerOfNode(parts, context, nodeId)
  if (owner === null && context.principal.role !== 'admin')
    throw new CodedError('denied', `the node is the hub's own: only its admin ${what}`, {
      rule: 'hub admin',
      details: ['rule: hub admin'],
    })
  return owner
}

/**
 * @param reader the tenant that reads; null for the hub's admin
 * @throws CodedError `node_not_found` (404) when the node is gone by now
 */
export function viewOf(
  { topology }: Pick<AdministrationParts, 'topology'>,
  { tenantFilter }: RouteContext,
  owner: string | null,
  nodeId: string,
): NodeView {
  const record = topology.record(owner, nodeId)
  if (!record) throw notFound('node')
  return nodeView(record, tenantFilter, SYSTEM_CLOCK.steady())
}
