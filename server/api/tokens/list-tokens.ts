import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { nextOf, nextSchema, pageQuery } from '../list-page.ts'
import { defineRoute } from '../route.ts'
import { tokenInfoSchema } from './token-schemas.ts'

export const listTokens = ({ auth: { tokens } }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/tokens',
    summary: 'List tokens',
    description:
      "Those of a tenant; without `tenant_id` the hub's admin sees the hub's own. Never the tokens themselves.",
    action: 'token.write',
    cost: 'read',
    query: z.strictObject({ ...pageQuery, tenant_id: tenantIdSchema.optional() }),
    answer: { status: 200, schema: z.object({ tokens: z.array(tokenInfoSchema), next: nextSchema }) },
    errors: ['tenant_not_found'],
    handle: async ({ tenantFilter }, { query: { after, limit } }) => {
      const found = await tokens.list(tenantFilter, { after, limit })
      return { tokens: found, next: nextOf(found, limit, ({ token_id }) => token_id) }
    },
  })
