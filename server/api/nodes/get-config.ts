import { nodeConfigViewSchema } from '../../../common/wire/nodes-api.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeConfigView } from './node-config-view.ts'
import { nodeParams, nodeQuery, ownerOfField } from './own-node.ts'

export const getNodeConfig = (parts: FieldParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}/config',
    summary: 'Get what a field sender is to do, and what it does',
    description:
      'The desired document, the actual one as the device told it last, how they compare, and the last versions. ' +
      'Passwords are `********`. Its `ETag` goes into `If-Match` of the change; `"0"` where nobody has configured the node.',
    action: 'node.read',
    cost: 'read',
    params: nodeParams,
    query: nodeQuery,
    answer: { status: 200, schema: nodeConfigViewSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found', 'node_not_found'],
    handle: async (context, { params: { node_id } }) => {
      const tenantId = ownerOfField(parts, context, node_id)
      const view = await nodeConfigView(parts, { tenantId, nodeId: node_id })
      return new Reply(view, { etag: entityTag(view.desired?.version ?? 0) })
    },
  })
