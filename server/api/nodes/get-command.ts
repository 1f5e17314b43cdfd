import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { commandViewSchema } from '../../../common/wire/nodes-api.ts'
import { viewOfCommand } from '../../nodes/command-record.ts'
import { defineRoute } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeParams, nodeQuery, ownerOfField } from './own-node.ts'

export const getNodeCommand = (parts: FieldParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/nodes/{node_id}/commands/{command_id}',
    summary: 'Get a command',
    description: 'Its state, and the answer of the device.',
    action: 'node.read',
    cost: 'read',
    params: z.strictObject({ ...nodeParams.shape, command_id: z.string().min(1).max(64) }),
    query: nodeQuery,
    answer: { status: 200, schema: commandViewSchema },
    errors: ['tenant_not_found', 'node_not_found', 'command_not_found'],
    handle: async (context, { params: { node_id, command_id } }) => {
      const tenantId = ownerOfField(parts, context, node_id)
      const commands = await parts.commands.list({ tenantId, nodeId: node_id })
      const found = commands.find((each) => each.command_id === command_id)
      if (!found) throw new CodedError('command_not_found', 'there is no such command')
      return viewOfCommand(found)
    },
  })
