import { z } from 'zod'
import { transportCapabilitySchema } from './decision.ts'
import { linkIdSchema, nodeIdSchema, nodeRoleSchema, tenantIdSchema } from './ids.ts'

export const LINK_MEDIA = ['wired', 'wifi', 'cellular', 'satellite', 'overlay'] as const
export const linkMediumSchema = z.enum(LINK_MEDIA)

/** Most links that start at one node. */
export const MAX_LINKS_PER_NODE = 64

const placeName = z.string().regex(/^[\x21-\x7e]{1,64}$/, 'a name is 1 to 64 printable ASCII characters')
const kbps = z.number().int().min(1).max(100_000_000)

/** A link as its node declares it. */
export const declaredLinkSchema = z.strictObject({
  link_id: linkIdSchema,
  /** The node at the other end. */
  to: nodeIdSchema,
  medium: linkMediumSchema,
  /** Time-sensitive networking (IEEE 802.1Q) on the whole link. */
  tsn: z.boolean().default(false),
  /** Capacity, kb/s; null where nobody knows. */
  capacity_kbps: kbps.nullable().default(null),
})

/** Labels that operators give a node, at most 32. */
export const nodeLabelsSchema = z
  .record(placeName, z.string().max(200))
  .refine((labels) => Object.keys(labels).length <= 32, { message: 'a node has at most 32 labels' })

/** What the directory keeps of a node, beside its id and tenant. */
export const nodeEntrySchema = z.strictObject({
  role: nodeRoleSchema,
  region: placeName.nullable().default(null),
  /** Names of the network segments of the node. Nodes that share a segment reach each other directly. */
  segments: z.array(placeName).max(16).default([]),
  /** Transports of the node: of a sender or player at its own end, of a hub or edge towards its senders. */
  transports: z.array(transportCapabilitySchema).max(16).default([]),
  /** What viewers can get from a hub or edge. */
  serves: z.array(transportCapabilitySchema).max(16).default([]),
  /** IEEE 1588 clock, and time-sensitive networking on its ports. */
  ptp: z.boolean().default(false),
  tsn: z.boolean().default(false),
  max_flows: z.number().int().min(0).max(1_000_000).nullable().default(null),
  max_kbps: kbps.nullable().default(null),
  /** The node's addresses in the overlay. */
  addresses: z.array(z.string().min(1).max(253)).max(16).default([]),
  links: z
    .array(declaredLinkSchema)
    .max(MAX_LINKS_PER_NODE)
    .refine((links) => new Set(links.map(({ link_id }) => link_id)).size === links.length, {
      message: 'a link id stands twice',
    })
    .default([]),
  /** Those of `links` that the node's reports made, and that go with them. */
  reported_links: z.array(linkIdSchema).max(MAX_LINKS_PER_NODE).default([]),
  /** The operators' labels. */
  labels: nodeLabelsSchema.default({}),
  /** The node takes nothing new. Running flows stay until they end or move. */
  draining: z.boolean().default(false),
  /** Unix milliseconds. */
  created_at: z.number().int().min(0),
})
export type NodeEntry = z.infer<typeof nodeEntrySchema>

/** A node as the API shows it. Times are Unix milliseconds. */
export const nodeViewSchema = z.object({
  node_id: nodeIdSchema,
  /** null for nodes that the hub shares with every tenant. */
  tenant_id: tenantIdSchema.nullable(),
  role: nodeRoleSchema,
  up: z.boolean(),
  last_seen: z.number().nullable(),
  region: z.string().nullable(),
  segments: z.array(z.string()),
  ptp: z.boolean(),
  tsn: z.boolean(),
  /** How well the node has kept its word, 0 to 1. */
  reputation: z.number(),
  /** Busiest worker (share of its core, 0 to 1), flows and kb/s. For shared nodes null, except to the hub's admin. */
  load: z.object({ worker_cpu: z.number(), flows: z.number(), kbps: z.number() }).nullable(),
  max_flows: z.number().nullable(),
  max_kbps: z.number().nullable(),
  labels: z.record(z.string(), z.string()),
  draining: z.boolean(),
})
export type NodeView = z.infer<typeof nodeViewSchema>

export const LINK_STANDINGS = ['serving', 'probing', 'unproven', 'silent', 'dead'] as const

/** A link as the API shows it. */
export const linkViewSchema = z.object({
  link_id: linkIdSchema,
  tenant_id: tenantIdSchema.nullable(),
  from: nodeIdSchema,
  to: nodeIdSchema,
  medium: linkMediumSchema,
  /** The link's node declared it. An undeclared link is known from reports alone, and forgotten when they end. */
  declared: z.boolean(),
  capacity_kbps: z.number().nullable(),
  standing: z.enum(LINK_STANDINGS),
  /** The standing in words, with the times that decided. */
  health: z.string(),
  /** Recent failures. */
  breaks: z.number(),
  /** Weight of the newest report by its age: 1 is fresh, 0 is no longer valid. */
  freshness: z.number(),
  newest: z
    .object({
      age_ms: z.number(),
      rtt_ms: z.number(),
      jitter_ms: z.number(),
      loss: z.number(),
      bitrate_kbps: z.number(),
      queue_depth: z.number(),
    })
    .nullable(),
})
export type LinkView = z.infer<typeof linkViewSchema>
