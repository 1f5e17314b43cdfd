import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { policyVersionSchema } from '../../../common/wire/policy-version.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'

export const getPolicy = ({ policies }: Pick<AdministrationParts, 'policies'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/policies/{tenant_id}',
    summary: 'Get the policy in force',
    description:
      'Version 0 with an empty document is the defaults. Its `ETag` goes into `If-Match` of the change.',
    action: 'policy.read',
    cost: 'read',
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    answer: { status: 200, schema: policyVersionSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found'],
    handle: ({ tenantId }) => {
      const policy = policies.current(tenantId)
      return new Reply(policy, { etag: entityTag(policy.version) })
    },
  })
