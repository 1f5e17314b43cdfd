import { z } from 'zod'
import { actionSchema, aesBitsSchema, nodeIdSchema, PRINCIPAL_ROLES, transportSchema } from './ids.ts'

/** The same optional setting for each class. */
const perClass = <Schema extends z.ZodType>(schema: Schema) =>
  z.strictObject({
    focus: schema.optional(),
    director: schema.optional(),
    record: schema.optional(),
    bulk: schema.optional(),
  })

const kbps = z.number().int().min(0).max(200_000)
const bufferMs = z.number().int().min(10).max(30_000)

/**
 * `*` stands for any run of characters, `?` for one. Validation of patterns and subjects stops at the first invalid
 * one, because a document can hold tens of thousands.
 */
export const streamPatternSchema = z.string().regex(/^[A-Za-z0-9._*?-]{1,64}$/, {
  abort: true,
  error: 'a stream pattern is 1 to 64 letters, digits, `.`, `_`, `-`, `*` or `?`',
})

export const aclSubjectSchema = z
  .string()
  .regex(
    new RegExp(`^(\\*|anonymous|role:(${PRINCIPAL_ROLES.join('|')})|(user|node):[A-Za-z0-9._*?-]{1,64})$`),
    {
      abort: true,
      error: 'a subject is `*`, `anonymous`, `role:` and a role, or `user:` or `node:` and an id or pattern',
    },
  )

const relayedSchema = z.union([
  aclSubjectSchema,
  z.enum(['class:focus', 'class:director', 'class:record', 'class:bulk']),
])

export const aclRuleSchema = z.strictObject({
  /** The name of the rule in errors and in the audit trail; `acl[N]` for a nameless rule. */
  name: z.string().min(1).max(64).optional(),
  effect: z.enum(['allow', 'deny']),
  subjects: z.array(aclSubjectSchema).min(1).max(100),
  actions: z
    .array(z.union([actionSchema, z.literal('*')]))
    .min(1)
    .max(100),
  /** A rule whose streams are not `*` does not apply to actions that are not about one stream. */
  streams: z.array(streamPatternSchema).min(1).max(100).default(['*']),
})
export type AclRule = z.infer<typeof aclRuleSchema>

export const PATH_STRATEGIES = ['latency', 'bandwidth', 'hops', 'reputation', 'hybrid'] as const
export const pathStrategySchema = z.enum(PATH_STRATEGIES)
export type PathStrategy = z.infer<typeof pathStrategySchema>

export const UPLINK_USES = ['duplicate', 'share-by-health', 'share-by-capacity'] as const
export const uplinkUseSchema = z.enum(UPLINK_USES)
export type UplinkUse = z.infer<typeof uplinkUseSchema>

const classOverride = z.strictObject({
  /** p95 target, or null for none. */
  glass_to_glass_ms: z.number().int().min(50).max(60_000).nullable().optional(),
  video_kbps: z
    .strictObject({ floor: kbps.optional(), start: kbps.optional(), ceiling: kbps.optional() })
    .optional(),
  rist_buffer: z
    .strictObject({
      rtt_multiple: z.number().min(1).max(20).optional(),
      min_ms: bufferMs.optional(),
      max_ms: bufferMs.optional(),
    })
    .optional(),
  uplinks: uplinkUseSchema.optional(),
})
export type ClassOverride = z.infer<typeof classOverride>

const encryptionDemand = z.strictObject({
  min_aes_bits: aesBitsSchema.optional(),
  forbid_transports: z.array(transportSchema).max(4).optional(),
})
export type EncryptionDemand = z.infer<typeof encryptionDemand>

const weight = z.number().min(0).max(10)

/**
 * A tenant's policy as written (YAML or JSON). A field that is left out keeps its default. `acl`, where given, replaces
 * all default rules. Bitrates in kb/s, times in the unit that their name ends in.
 */
export const policyDocumentSchema = z.strictObject({
  classes: perClass(classOverride).optional(),
  acl: z.array(aclRuleSchema).max(1000).optional(),
  encryption: z
    .strictObject({
      ...encryptionDemand.shape,
      /** `passphrase` also lets in RIST senders that can't do SRP. */
      rist_authentication: z.enum(['srp', 'passphrase']).optional(),
      classes: perClass(encryptionDemand).optional(),
    })
    .optional(),
  paths: z
    .strictObject({
      strategies: perClass(pathStrategySchema).optional(),
      /** Weights of the `hybrid` strategy. */
      hybrid: z
        .strictObject({
          latency: weight.optional(),
          loss: weight.optional(),
          bandwidth: weight.optional(),
          hops: weight.optional(),
          reputation: weight.optional(),
        })
        .optional(),
      /** Used only where no other node leads to the destination. */
      avoid_nodes: z.array(nodeIdSchema).max(100).optional(),
      prefer_nodes: z.array(nodeIdSchema).max(100).optional(),
      /** Media stays on hubs, edges and relays of this region. */
      require_region: z.string().min(1).max(64).optional(),
      /** These classes run only in mode `deterministic-wired`. */
      deterministic: z
        .array(z.enum(['focus', 'director', 'record', 'bulk']))
        .max(4)
        .optional(),
    })
    .optional(),
  relay: z
    .strictObject({
      /**
       * Whose WebRTC media goes through a TURN relay only, so that the relay alone sees their address: `*` for all of
       * the tenant, a class, or a subject as in the ACL.
       */
      always: z.array(relayedSchema).max(100).optional(),
    })
    .optional(),
  /** Mode `lan-direct`: viewers on a sender's own network may get its media from the sender itself. True by default. */
  lan_direct: z.boolean().optional(),
  admission: z
    .strictObject({
      max_streams: z.number().int().min(0).max(100_000).optional(),
      /** Most streams that one user (with all tokens of that user) or one node publishes. */
      max_streams_per_token: z.number().int().min(0).max(100_000).optional(),
      max_viewers: z.number().int().min(0).max(1_000_000).optional(),
      max_viewers_per_stream: z.number().int().min(0).max(1_000_000).optional(),
      /** Most kb/s that the tenant's senders may send together. */
      uplink_kbps: z.number().int().min(0).max(100_000_000).optional(),
      /** false refuses a flow where a lesser class would fit. */
      downgrade: z.boolean().optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      contract_seconds: z.number().int().min(10).max(86_400).optional(),
      max_hops: z.number().int().min(1).max(8).optional(),
      /** Shortest time between two switches of one flow's path while the path lives. */
      switch_seconds: z.number().int().min(30).max(3600).optional(),
      /** How much cheaper another path must be, per cent. */
      switch_margin_percent: z.number().int().min(5).max(90).optional(),
    })
    .optional(),
})
export type PolicyDocument = z.infer<typeof policyDocumentSchema>
