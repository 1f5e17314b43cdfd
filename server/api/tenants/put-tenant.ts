import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { tenantBodySchema, tenantSchema } from '../../../common/wire/tenant.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'

export const putTenant = ({ tenants }: Pick<AdministrationParts, 'tenants'>) =>
  defineRoute({
    method: 'put',
    path: '/v1/tenants/{tenant_id}',
    summary: 'Create or change a tenant',
    description: 'With `If-Match: "0"` only a tenant that does not exist yet is made.',
    action: 'tenant.write',
    role: 'admin',
    cost: 'write',
    ifMatch: 'optional',
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    body: tenantBodySchema,
    answer: { status: 200, schema: tenantSchema, headers: ETAG_HEADER },
    errors: ['too_many_tenants', 'version_conflict'],
    // The request is about the hub: the tenant itself need not exist yet.
    scope: () => ({}),
    handle: async ({ principal, ifMatch }, { params, body }) => {
      const version = tenants.get(params.tenant_id)?.version ?? 0
      requireMatch(ifMatch, version)
      const expected = ifMatch === null ? undefined : version
      const tenant = await tenants.put(params.tenant_id, body, principal, expected)
      return new Reply(tenant, { etag: entityTag(tenant.version) })
    },
  })
