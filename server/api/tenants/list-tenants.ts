import { z } from 'zod'
import { tenantSchema } from '../../../common/wire/tenant.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { nextSchema, pageOf, pageQuery } from '../list-page.ts'
import { defineRoute } from '../route.ts'

export const listTenants = ({ tenants }: Pick<AdministrationParts, 'tenants'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/tenants',
    summary: 'List tenants',
    description: "The hub's admin sees all of them, everybody else their own.",
    action: 'tenant.read',
    cost: 'read',
    query: z.strictObject(pageQuery),
    answer: { status: 200, schema: z.object({ tenants: z.array(tenantSchema), next: nextSchema }) },
    handle: ({ tenantFilter }, { query }) => {
      const visible = tenants
        .list()
        .filter(({ tenant_id }) => tenantFilter === null || tenant_id === tenantFilter)
      const { items, next } = pageOf(visible, ({ tenant_id }) => tenant_id, query)
      return { tenants: items, next }
    },
  })
