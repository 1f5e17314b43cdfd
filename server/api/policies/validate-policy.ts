import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { policyDocumentSchema } from '../../../common/wire/policy-document.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'

export const validatePolicy = ({ policies }: Pick<AdministrationParts, 'policies'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/policies/{tenant_id}/validate',
    summary: 'Check a policy without putting it in force',
    description: 'Refuses what `PUT` would refuse, with the same lines, and changes nothing.',
    action: 'policy.read',
    cost: 'write',
    bodyTypes: ['application/json', 'application/yaml'],
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    body: policyDocumentSchema,
    answer: {
      status: 200,
      schema: z.object({
        valid: z.literal(true),
        /** The version that this document would replace. */
        replaces: z.number().int(),
      }),
    },
    errors: ['policy_invalid', 'tenant_not_found'],
    handle: ({ tenantId }, { body }) => {
      policies.check(tenantId, body)
      return { valid: true as const, replaces: policies.current(tenantId).version }
    },
  })
