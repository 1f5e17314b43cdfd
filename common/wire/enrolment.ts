import { z } from 'zod'
import { nodeIdSchema, nodeRoleSchema, tenantIdSchema } from './ids.ts'
import { uplinkUseSchema } from './policy-document.ts'
import { releaseKeysSchema } from './release.ts'
import { nodeEntrySchema } from './topology.ts'

/** The node's own description of itself and of what it can do. */
export const nodeCapabilitiesSchema = nodeEntrySchema.pick({
  region: true,
  segments: true,
  transports: true,
  serves: true,
  ptp: true,
  tsn: true,
  max_flows: true,
  max_kbps: true,
  addresses: true,
  links: true,
})
export type NodeCapabilities = z.infer<typeof nodeCapabilitiesSchema>

/** A certificate request (PKCS#10) in PEM, with an EC key on P-256 or an Ed25519 key. */
export const csrSchema = z.string().min(1).max(8192)

/** Body of `POST /v1/node/init`. */
export const nodeInitSchema = z.strictObject({
  role: nodeRoleSchema,
  capabilities: nodeCapabilitiesSchema.prefault({}),
  enrollment_token: z.string().min(1).max(200),
  csr: csrSchema,
})

/** A class with the values of the node's tenant. */
export const classDefaultsSchema = z.object({
  /** p95 target; null for none. */
  glass_to_glass_ms: z.number().nullable(),
  video_kbps: z.object({ floor: z.number(), start: z.number(), ceiling: z.number() }),
  rist_buffer: z.object({ rtt_multiple: z.number(), min_ms: z.number(), max_ms: z.number() }),
  uplinks: uplinkUseSchema,
})
export type ClassDefaults = z.infer<typeof classDefaultsSchema>

export const nodeCertificateGrantSchema = z.object({
  /** PEM of the node's certificate. */
  certificate: z.string(),
  /** Lower-case hex. */
  serial: z.string(),
  /** Unix milliseconds; renew well before. */
  not_after: z.number().int(),
  /** PEM of every CA of the hub that the node should trust. */
  authorities: z.array(z.string()),
})

/** Addresses of the hub's services for the node. */
export const hubEndpointsSchema = z.object({
  api: z.string(),
  telemetry: z.string(),
  renew: z.string(),
  crl: z.string(),
  /** The control channel (WebSocket), where this hub has one. */
  control: z.string().optional(),
})
export type HubEndpoints = z.infer<typeof hubEndpointsSchema>

/** Answer of `POST /v1/node/init`. */
export const nodeInitAnswerSchema = z.object({
  node_id: nodeIdSchema,
  /** null for a node that the hub shares with every tenant. */
  tenant_id: tenantIdSchema.nullable(),
  ...nodeCertificateGrantSchema.shape,
  overlay_addresses: z.array(z.string()),
  class_defaults: z.object({
    focus: classDefaultsSchema,
    director: classDefaultsSchema,
    record: classDefaultsSchema,
    bulk: classDefaultsSchema,
  }),
  hub_endpoints: hubEndpointsSchema,
  telemetry_interval_ms: z.number().int(),
  /** The keys of the agent's releases, which the node pins; null where the hub has none. */
  release_keys: releaseKeysSchema.nullable().default(null),
})
export type NodeInitAnswer = z.infer<typeof nodeInitAnswerSchema>
