import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { policyVersionSchema } from '../../../common/wire/policy-version.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { notFound } from '../refusals.ts'
import { defineRoute, Reply } from '../route.ts'

export const rollBackPolicy = ({ policies }: Pick<AdministrationParts, 'policies'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/policies/{tenant_id}/rollback',
    summary: 'Bring back a version of a policy',
    description:
      'Puts the document of an earlier version in force as the next one; `version` 0 brings back the defaults. `If-Match` is read where it is given.',
    action: 'policy.write',
    cost: 'write',
    ifMatch: 'optional',
    params: z.strictObject({ tenant_id: tenantIdSchema }),
    body: z.strictObject({ version: z.number().int().min(0).max(1_000_000_000) }),
    answer: { status: 200, schema: policyVersionSchema, headers: ETAG_HEADER },
    errors: ['policy_invalid', 'tenant_not_found', 'version_not_found', 'version_conflict'],
    handle: async ({ tenantId, principal, ifMatch }, { body: { version: restored } }) => {
      const { version } = policies.current(tenantId)
      requireMatch(ifMatch, version)
      const old = restored === 0 ? { document: {} } : await policies.version(tenantId, restored)
      if (!old) throw notFound('version')
      const { document } = old
      const policy = await policies.put(tenantId, { document, by: principal, replaces: version, restored })
      return new Reply(policy, { etag: entityTag(policy.version) })
    },
  })
