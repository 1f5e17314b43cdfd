import { z } from 'zod'
import { outcomeSchema } from '../../common/wire/node-protocol.ts'
import {
  COMMAND_STATES,
  type CommandView,
  KEPT_COMMANDS,
  MAX_WAITING_COMMANDS,
  nodeCommandSchema,
} from '../../common/wire/nodes-api.ts'

/** A command as it is stored. Times are Unix milliseconds. */
export const commandRecordSchema = z.object({
  command_id: z.string(),
  request_id: z.string().nullable(),
  /** With a mask in the place of a secret. */
  command: nodeCommandSchema,
  /** The secret of a source, sealed; null where there is none. */
  secret: z.string().nullable(),
  state: z.enum(COMMAND_STATES),
  outcome: outcomeSchema.nullable(),
  config_version: z.int().nullable(),
  /** The version under which the changed document was sent, and the one that it changes; null before. */
  attempt: z.object({ version: z.int(), base: z.int() }).nullable(),
  made_at: z.int(),
  made_by: z.string(),
  expires_at: z.int(),
  ended_at: z.int().nullable(),
})
export type CommandRecord = z.output<typeof commandRecordSchema>

/** All commands of a node, in the order in which they were made. */
export const commandsRecordSchema = z.object({
  commands: z.array(commandRecordSchema).max(MAX_WAITING_COMMANDS + KEPT_COMMANDS),
})
export type CommandsRecord = z.output<typeof commandsRecordSchema>

export function isOver({ state }: Pick<CommandRecord, 'state'>): boolean {
  return state === 'done' || state === 'refused' || state === 'expired'
}

export function viewOfCommand({ secret: _, attempt: __, ...view }: CommandRecord): CommandView {
  return view
}
