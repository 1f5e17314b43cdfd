import { z } from 'zod'
import { linkIdSchema, nodeIdSchema, tenantIdSchema } from './ids.ts'
import { broadcastSchema, MAX_UPLINKS, nodeConfigSchema } from './node-config.ts'
import {
  actualConfigSchema,
  configVersionSchema,
  deviceCommandSchema,
  outcomeSchema,
} from './node-protocol.ts'
import { broadcastStatusSchema, nodeReportSchema } from './node-report.ts'
import { streamIdSchema } from './stream.ts'
import { laneInputWordsSchema } from './switched-inputs.ts'

/** Bodies and answers of the calls about field senders: what they are to do, what they do, and commands to them. */

/** Documents of a node that are kept, the current one included. */
export const KEPT_CONFIGS = 20
/** Commands of a node that may wait at a time. */
export const MAX_WAITING_COMMANDS = 32
/** Commands of a node that are over and can still be read; the oldest are forgotten first. */
export const KEPT_COMMANDS = 50
/** Life of a command that says no other, and the longest, s. */
export const COMMAND_LIFE_S = 60
export const MAX_COMMAND_LIFE_S = 7 * 86_400

const unixMs = z.number().int().min(0)
const fields = broadcastSchema.shape
/** The broadcast that a command is about; `input` tells senders of one stream apart. */
const about = { stream_id: streamIdSchema, input: laneInputWordsSchema.optional() }

/** Commands that change what the device is to do: a patch of its configuration, made when the command is delivered. */
export const stateCommandSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('start'), ...about }),
  z.strictObject({ do: z.literal('stop'), ...about }),
  z.strictObject({ do: z.literal('source'), ...about, source: fields.source }),
  z.strictObject({ do: z.literal('class'), ...about, class: fields.class.unwrap() }),
  /** null: the bounds of the contract alone. */
  z.strictObject({ do: z.literal('bounds'), ...about, kbps: fields.kbps.unwrap().nullable() }),
  z.strictObject({ do: z.literal('renditions'), ...about, renditions: fields.renditions.unwrap() }),
  z.strictObject({ do: z.literal('fps'), ...about, fps: fields.fps.unwrap() }),
  /** null: no sound. Whole: what is left out has its default. */
  z.strictObject({ do: z.literal('sound'), ...about, sound: fields.sound.unwrap() }),
  z.strictObject({ do: z.literal('gain'), ...about, gain_db: z.number().min(-60).max(30) }),
  /** null: all uplinks. */
  z.strictObject({
    do: z.literal('links'),
    ...about,
    links: z.array(linkIdSchema).min(1).max(MAX_UPLINKS).nullable(),
  }),
])
export type StateCommand = z.output<typeof stateCommandSchema>

/** Everything that a node can be told. */
export const nodeCommandSchema = z.discriminatedUnion('do', [
  ...stateCommandSchema.options,
  ...deviceCommandSchema.options,
])
export type NodeCommand = z.output<typeof nodeCommandSchema>

/** Body of `POST /v1/nodes/{node_id}/commands`. */
export const postCommandSchema = z.strictObject({
  /** The same id again is the same command: it is done once, and the answer tells how it is by now. */
  request_id: z
    .string()
    .regex(/^[\x21-\x7e]{1,64}$/)
    .optional(),
  /** A device that comes back later than this does not begin the command, s. */
  expires_in_s: z.int().min(1).max(MAX_COMMAND_LIFE_S).default(COMMAND_LIFE_S),
  command: nodeCommandSchema,
})

export const COMMAND_STATES = ['waiting', 'sent', 'done', 'refused', 'expired'] as const

/** A command as the API shows it, passwords masked. Times are Unix milliseconds. */
export const commandViewSchema = z.object({
  command_id: z.string(),
  request_id: z.string().nullable(),
  command: nodeCommandSchema,
  state: z.enum(COMMAND_STATES),
  /** The device's answer; null before it. */
  outcome: outcomeSchema.nullable(),
  /** The version of the configuration that a change of state made; null for other commands, and before. */
  config_version: z.int().nullable(),
  made_at: unixMs,
  made_by: z.string(),
  expires_at: unixMs,
  ended_at: unixMs.nullable(),
})
export type CommandView = z.output<typeof commandViewSchema>

/** `unconfigured`: nobody has. `pending`: the device has not answered yet. `local`: somebody changed it at the device. */
export const CONFIG_STATES = ['unconfigured', 'pending', 'applied', 'refused', 'local'] as const

const madeSchema = z.object({
  version: z.int().min(1),
  made_at: unixMs,
  /** `user:alice`, `node:van-1`. */
  made_by: z.string(),
})

/** Answer of `GET` and `PUT /v1/nodes/{node_id}/config`, passwords masked. */
export const nodeConfigViewSchema = z.object({
  node_id: nodeIdSchema,
  tenant_id: tenantIdSchema.nullable(),
  state: z.enum(CONFIG_STATES),
  /** Why the device refused; null unless it did. */
  refusal: z
    .object({ code: z.string(), reason: z.string(), details: z.array(z.string()), at: unixMs })
    .nullable(),
  /** Whether the device's channel is connected to this hub. */
  connected: z.boolean(),
  /** What the device is to do; null where nobody has configured it. */
  desired: z.object({ ...madeSchema.shape, config: nodeConfigSchema }).nullable(),
  /** What the device does, as it told last; null before. */
  actual: actualConfigSchema.nullable(),
  /** Newest first, the current one included. */
  history: z.array(z.object({ ...madeSchema.shape, current: z.boolean() })).max(KEPT_CONFIGS),
})
export type NodeConfigView = z.output<typeof nodeConfigViewSchema>

/** Answer of `GET /v1/nodes/{node_id}/config/versions/{version}`. */
export const configVersionViewSchema = z.object({ ...madeSchema.shape, config: nodeConfigSchema })

const section = <Schema extends z.ZodType>(schema: Schema) =>
  z.object({ at: unixMs, age_ms: z.number(), value: schema })
const sections = nodeReportSchema.shape

/** Answer of `GET /v1/nodes/{node_id}/report`: each section with its age. Kept in memory, for as long as the hub runs. */
export const nodeReportViewSchema = z.object({
  node_id: nodeIdSchema,
  connected: z.boolean(),
  /** When the channel was opened or lost, Unix ms; null where this hub has not seen it. */
  since: unixMs.nullable(),
  config_version: configVersionSchema.nullable(),
  agent: section(sections.agent.unwrap()).nullable(),
  interfaces: section(sections.interfaces.unwrap()).nullable(),
  inputs: section(sections.inputs.unwrap()).nullable(),
  encoders: section(sections.encoders.unwrap()).nullable(),
  system: section(sections.system.unwrap()).nullable(),
  clock: section(sections.clock.unwrap()).nullable(),
  position: section(sections.position.unwrap()).nullable(),
  timing: section(sections.timing.unwrap()).nullable(),
  update: section(sections.update.unwrap()).nullable(),
  broadcasts: section(z.array(broadcastStatusSchema)).nullable(),
})
export type NodeReportView = z.output<typeof nodeReportViewSchema>
