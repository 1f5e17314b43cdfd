import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { tenantSchema } from '../../../common/wire/tenant.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { notFound } from '../refusals.ts'
import { defineRoute, Reply } from '../route.ts'

export const getTenant = ({ tenants }: Pick<AdministrationParts, 'tenants'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/tenants/{tenant_id}',
    summary: 'Get a tenant',
    description: 'Its `ETag` goes into `If-Match` of a change.',
    action: 'tenant.read',
    cost: 'read',
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    answer: { status: 200, schema: tenantSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found'],
    handle: (_context, { params }) => {
      const tenant = tenants.get(params.tenant_id)
      if (!tenant) throw notFound('tenant')
      return new Reply(tenant, { etag: entityTag(tenant.version) })
    },
  })
