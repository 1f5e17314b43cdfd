import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { notFound } from '../refusals.ts'
import { defineRoute } from '../route.ts'
import { tokenIdSchema, tokenInfoSchema } from './token-schemas.ts'

export const getToken = ({ auth: { tokens } }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/tokens/{token_id}',
    summary: 'Get a token',
    description:
      "What the hub knows about it. Without `tenant_id` the hub's admin asks for one of the hub's own.",
    action: 'token.write',
    cost: 'read',
    params: z.strictObject({ token_id: tokenIdSchema }),
    query: z.strictObject({ tenant_id: tenantIdSchema.optional() }),
    answer: { status: 200, schema: tokenInfoSchema },
    errors: ['tenant_not_found', 'token_not_found'],
    handle: async ({ tenantFilter }, { params }) => {
      const found = await tokens.get(tenantFilter, params.token_id)
      if (!found) throw notFound('token')
      return found
    },
  })
