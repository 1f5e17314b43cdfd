import { z } from 'zod'
import { nodeConfigSchema } from './node-config.ts'
import { broadcastStatusSchema, nodeReportSchema } from './node-report.ts'

/*
 * The node's channel: protoo over WebSocket and mutual TLS, opened by the device, open as long as the device runs. The
 * hub knows the node by its certificate. First request of the connection: `node`.
 */

/**
 * A document and which it is. Versions grow at the hub, with holes: a version that a device refused never comes again with
 * another content. `local` is a document that somebody applied at the device.
 */
export const configVersionSchema = z.union([z.int().min(1), z.literal('local')])
const versioned = { version: configVersionSchema, config: nodeConfigSchema }

/** What the device runs by now, its secrets masked. `hash`: SHA-256 of the canonical JSON with the secrets, hex. */
export const actualConfigSchema = z.object({
  version: configVersionSchema,
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  applied_at: z.number().int(),
  config: nodeConfigSchema,
})
export type ActualConfig = z.output<typeof actualConfigSchema>

/** Outcome of a document or command at the device. */
export const outcomeSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('done'), detail: z.string().max(1000).optional() }),
  /** Nothing changed; the last good state holds. */
  z.object({
    state: z.literal('refused'),
    code: z.string().max(64),
    reason: z.string().max(1000),
    details: z.array(z.string().max(300)).max(20).default([]),
  }),
])
export type Outcome = z.output<typeof outcomeSchema>

/** What a node can be told beside its configuration. Start, stop and settings are changes of the configuration. */
export const deviceCommandSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('keyframe'), stream_id: z.string().max(64) }),
  z.strictObject({ do: z.literal('restart-encoder'), stream_id: z.string().max(64) }),
  z.strictObject({ do: z.literal('restart-sender'), stream_id: z.string().max(64) }),
  z.strictObject({ do: z.literal('probe-encoders') }),
  z.strictObject({
    do: z.literal('update'),
    version: z.string().max(64).optional(),
    downgrade: z.boolean().default(false),
  }),
  z.strictObject({ do: z.literal('reboot') }),
])
export type DeviceCommand = z.output<typeof deviceCommandSchema>

/** Requests of a node, by method. */
export const nodeRequests = {
  /** Answer: `NodeWelcome`. */
  node: z.object({
    protocol: z.literal(1),
    actual: actualConfigSchema.nullable(),
    report: nodeReportSchema,
    broadcasts: z.array(broadcastStatusSchema).max(8),
  }),
  /** One sample of clock offset, NTP style: the answer is `{ hub_unix_ms }`. */
  clock: z.strictObject({}),
} as const
export type NodeRequests = { [M in keyof typeof nodeRequests]: z.input<(typeof nodeRequests)[M]> }

/** Notifications of a node. */
export const nodeNotifications = {
  report: nodeReportSchema,
  broadcasts: z.object({ broadcasts: z.array(broadcastStatusSchema).max(8) }),
  /** What the device runs has changed: by `configure`, or because somebody applied a document at the device itself. */
  'actual-config': actualConfigSchema,
} as const

export const nodeWelcomeSchema = z.object({
  node_id: z.string(),
  hub_unix_ms: z.number(),
  /**
   * The version that the hub wants. Where the device is at another, `configure` follows. null: nobody has configured the
   * node, and what it does is its own.
   */
  desired_version: z.int().min(1).nullable(),
})
export type NodeWelcome = z.output<typeof nodeWelcomeSchema>

/** Requests of the hub to a node; the answer to both is an `Outcome`. A request that comes again has the same answer. */
export const hubToNode = {
  /** Secrets that only the device knows are `********`: the device keeps what it has (`unmaskSecrets`). */
  configure: z.object(versioned),
  command: z.object({
    command_id: z.string().max(64),
    /** The command is not begun after this time, ms from its arrival. */
    expires_in_ms: z.number().int().min(0),
    command: deviceCommandSchema,
  }),
} as const
/** Notifications of the hub to a node. */
export const hubToNodeNotifications = {
  /** There may be another release of the agent for the device, which asks for it by `GET /v1/node/release`. */
  releases: z.strictObject({}),
} as const
export type HubToNode = { [M in keyof typeof hubToNode]: z.output<(typeof hubToNode)[M]> }
