import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'
import { tokenIdSchema } from '../tokens/token-schemas.ts'

export const revokeEnrolmentToken = ({ auth: { enrolment } }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'delete',
    path: '/v1/enrolment-tokens/{enrolment_token_id}',
    summary: 'Revoke an enrolment token',
    description: 'Nodes that it made stay; revoke those by themselves.',
    action: 'node.write',
    cost: 'write',
    params: z.strictObject({ enrolment_token_id: tokenIdSchema }),
    query: z.strictObject({ tenant_id: tenantIdSchema.optional() }),
    answer: { status: 204 },
    errors: ['tenant_not_found', 'token_not_found'],
    handle: ({ tenantFilter, principal }, { params }) =>
      enrolment.revoke(tenantFilter, params.enrolment_token_id, principal),
  })
