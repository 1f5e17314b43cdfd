import { commandViewSchema, MAX_WAITING_COMMANDS, postCommandSchema } from '../../../common/wire/nodes-api.ts'
import { actorOf } from '../../auth/principal.ts'
import { ownerOf } from '../../auth/token-record.ts'
import { viewOfCommand } from '../../nodes/command-record.ts'
import { auditDraft } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeParams, nodeQuery, writableOwner } from './own-node.ts'

export const postNodeCommand = (parts: FieldParts) =>
  defineRoute({
    method: 'post',
    path: '/v1/nodes/{node_id}/commands',
    summary: 'Tell a field sender to do something',
    description:
      'Commands of a node are carried out one after the other, and wait until the node is connected or they expire. ' +
      'Commands that change what the device is to do (`start`, `stop`, `source`, `class`, `bounds`, `renditions`, `fps`, ' +
      '`sound`, `gain`, `links`) become the next version of its configuration if the device takes them. The same ' +
      `\`request_id\` again is the same command. At most ${MAX_WAITING_COMMANDS} wait. Commands that name no stream need the ` +
      'action for all streams.',
    action: 'node.command',
    cost: 'write',
    params: nodeParams,
    query: nodeQuery,
    body: postCommandSchema,
    bodyScope: {
      names: ['stream_id'],
      of: ({ command }) => ({ streamIds: ['stream_id' in command ? command.stream_id : null] }),
    },
    answer: { status: 202, schema: commandViewSchema },
    errors: ['tenant_not_found', 'node_not_found', 'request_reused', 'too_many_commands'],
    handle: async (context, { params: { node_id }, body }) => {
      const owner = writableOwner(parts, context, node_id)
      const node = { tenantId: owner, nodeId: node_id }
      const { command, request_id = null, expires_in_s } = body
      const by = actorOf(context.principal)
      const record = await parts.commands.post(
        node,
        { command, request_id, expires_in_s, by },
        (command_id) =>
          auditDraft(context, ownerOf(owner), parts.now(), 'node.command', `node:${node_id}`, {
            command_id,
            do: command.do,
            ...('stream_id' in command && { stream_id: command.stream_id }),
          }),
      )
      parts.devices.get(node)?.wake()
      return viewOfCommand(record)
    },
  })
