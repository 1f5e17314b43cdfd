import { z } from 'zod'
import { configVersionViewSchema, KEPT_CONFIGS } from '../../../common/wire/nodes-api.ts'
import { notFound } from '../refusals.ts'
import { defineRoute } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeParams, nodeQuery, ownerOfField } from './own-node.ts'

export const getNodeConfigVersion = (parts: FieldParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}/config/versions/{version}',
    summary: 'Get an earlier document of a field sender',
    description: `The last ${KEPT_CONFIGS} are kept, with passwords masked. To go back to one, \`PUT\` it.`,
    action: 'node.read',
    cost: 'read',
    params: z.strictObject({ ...nodeParams.shape, version: z.number().int().min(1).max(1_000_000_000) }),
    query: nodeQuery,
    answer: { status: 200, schema: configVersionViewSchema },
    errors: ['tenant_not_found', 'node_not_found', 'version_not_found'],
    handle: async (context, { params: { node_id, version } }) => {
      const tenantId = ownerOfField(parts, context, node_id)
      const { history } = await parts.configs.desired({ tenantId, nodeId: node_id })
      const found = history.find((each) => each.version === version)
      if (!found) throw notFound('version')
      const { made_at, made_by, config } = found
      return { version, made_at, made_by, config }
    },
  })
