import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { nextOf, nextSchema, pageQuery } from '../list-page.ts'
import { defineRoute } from '../route.ts'
import { enrolmentInfoSchema } from './enrolment-schemas.ts'

export const listEnrolmentTokens = ({ auth: { enrolment } }: Pick<AdministrationParts, 'auth'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/enrolment-tokens',
    summary: 'List enrolment tokens',
    description:
      "Those of a tenant, used ones included for a week; without `tenant_id` the hub's admin sees the hub's own.",
    action: 'node.write',
    cost: 'read',
    query: z.strictObject({ ...pageQuery, tenant_id: tenantIdSchema.optional() }),
    answer: {
      status: 200,
      schema: z.object({ enrolment_tokens: z.array(enrolmentInfoSchema), next: nextSchema }),
    },
    errors: ['tenant_not_found'],
    handle: async ({ tenantFilter }, { query: { after, limit } }) => {
      const found = await enrolment.list(tenantFilter, { after, limit })
      return {
        enrolment_tokens: found,
        next: nextOf(found, limit, ({ enrolment_token_id }) => enrolment_token_id),
      }
    },
  })
