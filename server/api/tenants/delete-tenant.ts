import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AdministrationParts, Dependants } from '../administration-parts.ts'
import { requireMatch } from '../preconditions.ts'
import { notFound } from '../refusals.ts'
import { defineRoute } from '../route.ts'

export const deleteTenant = (
  parts: Pick<
    AdministrationParts,
    'tenants' | 'policies' | 'auth' | 'topology' | 'webhooks' | 'slates' | 'dependants' | 'now'
  >,
) =>
  defineRoute({
    method: 'delete',
    path: '/v1/tenants/{tenant_id}',
    summary: 'Delete a tenant',
    description:
      'Refused while it has nodes, good tokens, flows or other things of its own. Its policy and the picture of its slate go with it; the audit trail stays.',
    action: 'tenant.write',
    role: 'admin',
    cost: 'write',
    ifMatch: 'optional',
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    answer: { status: 204 },
    errors: ['tenant_not_found', 'tenant_in_use', 'tenant_needed', 'version_conflict'],
    handle: async ({ principal, ifMatch }, { params: { tenant_id } }) => {
      const tenant = parts.tenants.get(tenant_id)
      if (!tenant) throw notFound('tenant')
      requireMatch(ifMatch, tenant.version)
      await refuseWhileUsed(tenant_id, [...ownDependants(parts), ...(parts.dependants ?? [])])
      const { plans, changes = [] } = await parts.policies.planRemoval(tenant_id)
      const remains = { plans: plans ?? [], changes: [...changes, parts.slates.removal(tenant_id)] }
      await parts.tenants.delete(tenant_id, principal, remains, tenant.version)
    },
  })

function ownDependants({
  auth,
  topology,
  webhooks,
  now,
}: Pick<AdministrationParts, 'auth' | 'topology' | 'webhooks' | 'now'>): Dependants[] {
  return [
    {
      what: 'nodes',
      count: (tenantId) => [...topology.records()].filter((record) => record.tenantId === tenantId).length,
    },
    {
      what: 'tokens',
      count: async (tenantId) =>
        (await auth.tokens.list(tenantId)).filter(
          ({ revoked_at, expires_at }) => revoked_at === null && (expires_at ?? Infinity) > now(),
        ).length,
    },
    { what: 'webhooks', count: (tenantId) => webhooks.list(tenantId).length },
    {
      what: 'enrolment tokens',
      count: async (tenantId) =>
        (await auth.enrolment.list(tenantId)).filter(
          ({ used_at, expires_at }) => used_at === null && expires_at > now(),
        ).length,
    },
  ]
}

async function refuseWhileUsed(tenantId: string, dependants: readonly Dependants[]): Promise<void> {
  const counts = await Promise.all(
    dependants.map(async ({ what, count }) => ({ what, count: await count(tenantId) })),
  )
  const details = counts.filter(({ count }) => count > 0).map(({ what, count }) => `${what}: ${count}`)
  if (details.length > 0)
    throw new CodedError('tenant_in_use', 'the tenant has things of its own: end them first', { details })
}
