import { configText } from '../../../common/node-config/config-text.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { notFound } from '../refusals.ts'
import { defineRoute, Reply } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeParams, nodeQuery, ownerOfField } from './own-node.ts'

export const getNodeConfigText = (parts: FieldParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}/config.toml',
    summary: "Get a field sender's document as TOML",
    description:
      'What the device is to do, to be edited and sent back by `PUT` to `/v1/nodes/{node_id}/config`. Passwords are ' +
      '`********` and are kept where they stay so. Where nobody has configured the node here, it is what the device does.',
    action: 'node.read',
    cost: 'read',
    params: nodeParams,
    query: nodeQuery,
    answer: { status: 200, type: 'application/toml', headers: ETAG_HEADER },
    errors: ['tenant_not_found', 'node_not_found', 'version_not_found'],
    handle: async (context, { params: { node_id } }) => {
      const node = { tenantId: ownerOfField(parts, context, node_id), nodeId: node_id }
      const [{ history }, { actual }] = await Promise.all([
        parts.configs.desired(node),
        parts.configs.actual(node),
      ])
      const config = history[0]?.config ?? actual?.config
      if (!config) throw notFound('version')
      return new Reply(configText(config, 'toml'), { etag: entityTag(history[0]?.version ?? 0) })
    },
  })
