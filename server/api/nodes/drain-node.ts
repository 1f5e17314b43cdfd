import { z } from 'zod'
import { nodeViewSchema } from '../../../common/wire/topology.ts'
import { ETAG_HEADER } from '../preconditions.ts'
import { defineRoute } from '../route.ts'
import { changeNode, type NodeChangeParts } from './change-node.ts'
import { nodeParams, nodeQuery } from './own-node.ts'

export const drainNode = (parts: NodeChangeParts) =>
  defineRoute({
    method: 'post',
    path: '/v1/nodes/{node_id}/drain',
    summary: 'Drain a node',
    description:
      'It takes nothing new; what runs on it stays until it ends or is moved. `draining: false` takes it back into use.',
    action: 'node.write',
    cost: 'write',
    ifMatch: 'optional',
    params: nodeParams,
    query: nodeQuery,
    body: z.strictObject({ draining: z.boolean() }),
    answer: { status: 200, schema: nodeViewSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found', 'node_not_found', 'version_conflict'],
    handle: (context, { params, body }) => changeNode(parts, context, params.node_id, 'node.drain', body),
  })
