import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { policyDocumentSchema } from '../../../common/wire/policy-document.ts'
import { policyVersionSchema } from '../../../common/wire/policy-version.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'

export const putPolicy = ({ policies }: Pick<AdministrationParts, 'policies'>) =>
  defineRoute({
    method: 'put',
    path: '/v1/policies/{tenant_id}',
    summary: 'Put a policy in force',
    description:
      'The whole document, in JSON or YAML, as the next version. It is in force when the answer comes, for every decision that begins from then on. `If-Match` must name the version it replaces (`"0"` for the first), so that nobody overwrites what they have not read.',
    action: 'policy.write',
    cost: 'write',
    ifMatch: 'required',
    bodyTypes: ['application/json', 'application/yaml'],
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    body: policyDocumentSchema,
    answer: { status: 200, schema: policyVersionSchema, headers: ETAG_HEADER },
    errors: ['policy_invalid', 'tenant_not_found', 'version_conflict'],
    handle: async ({ tenantId, principal, ifMatch }, { body }) => {
      const { version } = policies.current(tenantId)
      requireMatch(ifMatch, version)
      const policy = await policies.put(tenantId, { document: body, by: principal, replaces: version })
      return new Reply(policy, { etag: entityTag(policy.version) })
    },
  })
