import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { policyVersionInfoSchema } from '../../../common/wire/policy-version.ts'
import { KEPT_VERSIONS } from '../../policies/policy-book.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { pageQuery } from '../list-page.ts'
import { defineRoute } from '../route.ts'

export const listPolicyVersions = ({ policies }: Pick<AdministrationParts, 'policies'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/policies/{tenant_id}/versions',
    summary: "List a policy's versions",
    description: `Oldest first, without their documents. The last ${KEPT_VERSIONS} are kept.`,
    action: 'policy.read',
    cost: 'read',
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    query: z.strictObject({
      ...pageQuery,
      after: z.number().int().min(0).max(1_000_000_000).optional(),
    }),
    answer: {
      status: 200,
      schema: z.object({
        versions: z.array(policyVersionInfoSchema),
        next: z.number().int().nullable(),
      }),
    },
    errors: ['tenant_not_found'],
    handle: async ({ tenantId }, { query }) => {
      const found = await policies.versions(tenantId, query)
      const next = found.length === query.limit ? (found.at(-1)?.version ?? null) : null
      return { versions: found, next }
    },
  })
