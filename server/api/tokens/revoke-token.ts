import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'
import { tokenIdSchema, tokenInfoSchema } from './token-schemas.ts'

export const revokeToken = ({ auth: { tokens } }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'delete',
    path: '/v1/tokens/{token_id}',
    summary: 'Revoke a token',
    description:
      "It is refused from now on. Revoking it again changes nothing. Without `tenant_id` the hub's admin revokes one of the hub's own.",
    action: 'token.write',
    cost: 'write',
    params: z.strictObject({ token_id: tokenIdSchema }),
    query: z.strictObject({ tenant_id: tenantIdSchema.optional() }),
    answer: { status: 200, schema: tokenInfoSchema },
    errors: ['tenant_not_found', 'token_not_found'],
    handle: ({ tenantFilter, principal }, { params }) =>
      tokens.revoke(tenantFilter, params.token_id, principal),
  })
