import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { policyVersionSchema } from '../../../common/wire/policy-version.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { notFound } from '../refusals.ts'
import { defineRoute } from '../route.ts'

export const getPolicyVersion = ({ policies }: Pick<AdministrationParts, 'policies'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/policies/{tenant_id}/versions/{version}',
    summary: 'Get one version of a policy',
    description: 'With its document, as it was put.',
    action: 'policy.read',
    cost: 'read',
    params: z.strictObject({
      tenant_id: tenantIdSchema,
      version: z.number().int().min(1).max(1_000_000_000),
    }),
    answer: { status: 200, schema: policyVersionSchema },
    errors: ['tenant_not_found', 'version_not_found'],
    handle: async ({ tenantId }, { params }) => {
      const found = await policies.version(tenantId, params.version)
      if (!found) throw notFound('version')
      return found
    },
  })
