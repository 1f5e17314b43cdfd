import { z } from 'zod'
import { nodeEntrySchema, nodeViewSchema } from '../../../common/wire/topology.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { notFound } from '../refusals.ts'
import { defineRoute, Reply } from '../route.ts'
import { nodeParams, nodeQuery, ownerOfNode, viewOf } from './own-node.ts'

export const getNode = (parts: Pick<AdministrationParts, 'topology' | 'directory' | 'now'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}',
    summary: 'Get a node',
    description: 'How it is, and what it declared. Its `ETag` goes into `If-Match` of a change.',
    action: 'node.read',
    cost: 'read',
    params: nodeParams,
    query: nodeQuery,
    answer: {
      status: 200,
      headers: ETAG_HEADER,
      schema: z.object({
        ...nodeViewSchema.shape,
        declared: nodeEntrySchema.pick({ transports: true, serves: true, addresses: true, links: true }),
      }),
    },
    errors: ['tenant_not_found', 'node_not_found'],
    handle: (context, { params: { node_id } }) => {
      const owner = ownerOfNode(parts, context, node_id)
      const document = parts.directory.get(owner, node_id)
      if (!document) throw notFound('node')
      const { transports, serves, addresses, links } = document.value
      const answer = {
        ...viewOf(parts, context, owner, node_id),
        declared: { transports, serves, addresses, links },
      }
      return new Reply(answer, { etag: entityTag(document.version) })
    },
  })
