import { z } from 'zod'
import { REVOCATION_REASONS } from '../../auth/revocation-reasons.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'
import { nodeParams, nodeQuery, writableOwner } from './own-node.ts'

export const revokeNode = (parts: Pick<AdministrationParts, 'topology' | 'auth'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/nodes/{node_id}/revoke',
    summary: "Revoke a node's certificates and tokens",
    description:
      'The node stays in the directory and can enrol again with a new enrolment token that names it.',
    action: 'node.write',
    cost: 'write',
    params: nodeParams,
    query: nodeQuery,
    body: z.strictObject({ reason: z.enum(REVOCATION_REASONS).default('unspecified') }),
    answer: { status: 200, schema: z.object({ revoked: z.number().int() }) },
    errors: ['tenant_not_found', 'node_not_found'],
    handle: async (context, { params: { node_id }, body }) => {
      const owner = writableOwner(parts, context, node_id)
      return { revoked: await parts.auth.revokeNode(owner, node_id, context.principal, body.reason) }
    },
  })
