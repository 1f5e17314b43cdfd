import { z } from 'zod'
import { commandViewSchema, KEPT_COMMANDS } from '../../../common/wire/nodes-api.ts'
import { viewOfCommand } from '../../nodes/command-record.ts'
import { defineRoute } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeParams, nodeQuery, ownerOfField } from './own-node.ts'

export const listNodeCommands = (parts: FieldParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}/commands',
    summary: "List a field sender's commands",
    description: `In the order in which they were made: those that wait, and the last ${KEPT_COMMANDS} that are over.`,
    action: 'node.read',
    cost: 'read',
    params: nodeParams,
    query: nodeQuery,
    answer: { status: 200, schema: z.object({ commands: z.array(commandViewSchema) }) },
    errors: ['tenant_not_found', 'node_not_found'],
    handle: async (context, { params: { node_id } }) => {
      const tenantId = ownerOfField(parts, context, node_id)
      const commands = await parts.commands.list({ tenantId, nodeId: node_id })
      return { commands: commands.map(viewOfCommand) }
    },
  })
