import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { nodeCertificateSchema } from '../../auth/node-certificate-record.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'
import { nodeParams, nodeQuery, writableOwner } from './own-node.ts'

export const listNodeCertificates = (parts: Pick<AdministrationParts, 'topology' | 'auth'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}/certificates',
    summary: "List a node's certificates",
    description: 'Those that are good, revoked, or expired less than a day ago.',
    action: 'node.write',
    cost: 'read',
    params: nodeParams,
    query: nodeQuery,
    answer: {
      status: 200,
      schema: z.object({
        certificates: z.array(
          z.object({
            serial: z.string(),
            tenant_id: tenantIdSchema.nullable(),
            ...nodeCertificateSchema.omit({ key_hash: true }).shape,
          }),
        ),
      }),
    },
    errors: ['tenant_not_found', 'node_not_found'],
    handle: (context, { params: { node_id } }) => ({
      certificates: parts.auth.certificates.ofNode(writableOwner(parts, context, node_id), node_id),
    }),
  })
