import { z } from 'zod'

/** The form of every id, stream ids (`stream.ts`) included: fit for a URL path or a file name. */
export const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

const id = (of: string) =>
  z
    .string()
    .regex(
      ID_PATTERN,
      `${of} id is 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter or digit`,
    )

export const tenantIdSchema = id('a tenant')

/** Unique within a tenant, or among the nodes that the hub shares with every tenant. */
export const nodeIdSchema = id('a node')

/** Id of the hub's own node in the topology, shared with every tenant, unless the settings name another (HUB_ID). */
export const HUB_NODE_ID = 'hub'

/** Unique among the links that start at the same node: `eth0`, `lte-1`. */
export const linkIdSchema = id('a link')

export const contractIdSchema = id('a contract')

/** The caller: a user, an API key or a node, as its token or certificate names it. */
export const principalIdSchema = id('a principal')

/** The role of a node in the overlay. Only `hub`, `edge`, `relay` and `access-point` pass media on. */
export const NODE_ROLES = ['sender', 'hub', 'edge', 'relay', 'access-point', 'recorder'] as const
export const nodeRoleSchema = z.enum(NODE_ROLES)
export type NodeRole = z.infer<typeof nodeRoleSchema>

/** The role of a principal in a tenant. `admin` is the hub's own role, for all tenants. */
export const PRINCIPAL_ROLES = [
  'admin',
  'operator',
  'director',
  'publisher',
  'viewer',
  'node',
  'anonymous',
] as const
export const principalRoleSchema = z.enum(PRINCIPAL_ROLES)
export type PrincipalRole = z.infer<typeof principalRoleSchema>

/** What can be allowed or denied by an ACL rule or a token's grant. */
export const ACTIONS = [
  'publish',
  'subscribe',
  'reroute',
  'telemetry',
  'decide',
  'control',
  'node.read',
  'node.write',
  'node.configure',
  'node.command',
  'stream.read',
  'stream.write',
  'flow.read',
  'flow.revoke',
  'viewer.read',
  'program.read',
  'program.cut',
  'program.manage',
  'policy.read',
  'policy.write',
  'tenant.read',
  'tenant.write',
  'token.write',
  'audit.read',
  'metrics.read',
] as const
export const actionSchema = z.enum(ACTIONS)
export type Action = z.infer<typeof actionSchema>

export const TRANSPORTS = ['rist', 'srt', 'webrtc', 'rtp'] as const
export const transportSchema = z.enum(TRANSPORTS)
export type Transport = z.infer<typeof transportSchema>

/**
 * How a flow runs: straight between peers of one network segment; over edges or relays; over wired links with PTP
 * and TSN only; or over links that come and go.
 */
export const MODES = ['lan-direct', 'overlay-relay', 'deterministic-wired', 'roaming'] as const
export const modeSchema = z.enum(MODES)
export type Mode = z.infer<typeof modeSchema>

/** Length of an AES key, bits. */
export const aesBitsSchema = z.union([z.literal(128), z.literal(256)])
export type AesBits = z.infer<typeof aesBitsSchema>
