import { nodeReportViewSchema } from '../../../common/wire/nodes-api.ts'
import { Device } from '../../nodes/device.ts'
import { defineRoute } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeParams, nodeQuery, ownerOfField } from './own-node.ts'

export const getNodeReport = (parts: FieldParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}/report',
    summary: 'Get what a field sender tells about itself',
    description:
      'Its interfaces, inputs, encoders, figures and broadcasts, each section with its age. The hub keeps this in memory: ' +
      'after a restart, sections are null until the device is connected again.',
    action: 'node.read',
    cost: 'read',
    params: nodeParams,
    query: nodeQuery,
    answer: { status: 200, schema: nodeReportViewSchema },
    errors: ['tenant_not_found', 'node_not_found'],
    handle: (context, { params: { node_id } }) => {
      const tenantId = ownerOfField(parts, context, node_id)
      const report = parts.devices.get({ tenantId, nodeId: node_id })?.report(node_id, parts.now())
      return report ?? Device.unheard(node_id)
    },
  })
