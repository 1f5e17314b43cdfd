import { z } from 'zod'
import {
  abrSchema,
  detourSchema,
  iceTransportPolicySchema,
  latencySchema,
  overlaySchema,
  pacingSchema,
  recoveryBufferSchema,
} from './flow-contract.ts'
import {
  actionSchema,
  aesBitsSchema,
  linkIdSchema,
  modeSchema,
  nodeIdSchema,
  principalIdSchema,
  principalRoleSchema,
  tenantIdSchema,
  transportSchema,
} from './ids.ts'
import { pathStrategySchema, streamPatternSchema } from './policy-document.ts'
import { streamClassSchema, streamIdSchema } from './stream.ts'

/** What one end can do over one transport. */
export const transportCapabilitySchema = z.discriminatedUnion('transport', [
  z.strictObject({
    transport: z.literal('rist'),
    /** Only the main profile (VSF TR-06-2) encrypts. */
    profile: z.enum(['main', 'simple']).default('main'),
    authentication: z.enum(['srp', 'passphrase']).default('srp'),
    aes_bits: aesBitsSchema.default(256),
  }),
  z.strictObject({ transport: z.literal('srt'), aes_bits: aesBitsSchema.default(256) }),
  /** `aes_bits` is 256 where DTLS-SRTP can agree on AEAD_AES_256_GCM (RFC 7714). */
  z.strictObject({ transport: z.literal('webrtc'), aes_bits: aesBitsSchema.default(128) }),
  z.strictObject({
    transport: z.literal('rtp'),
    /** How the ends agree on SRTP keys; `none` is plain RTP. */
    keying: z.enum(['dtls', 'sdes', 'none']),
    aes_bits: aesBitsSchema.default(128),
  }),
])
export type TransportCapability = z.infer<typeof transportCapabilitySchema>

/** Who asks. `tenant_id` is null only for the hub's own admin. */
export const principalSchema = z.strictObject({
  id: principalIdSchema,
  role: principalRoleSchema,
  tenant_id: tenantIdSchema.nullable(),
  /** Set where the principal is a node of the directory. */
  node_id: nodeIdSchema.nullable(),
  /** Limits of the principal's token, on top of the tenant's ACL. */
  grants: z.strictObject({
    streams: z.array(streamPatternSchema),
    actions: z.array(z.union([actionSchema, z.literal('*')])),
  }),
})
export type Principal = z.infer<typeof principalSchema>

/** Of a WebRTC end: media through a relay only (`always`), or direct paths were tried and failed (`needed`). */
export const relayWishSchema = z.enum(['always', 'needed'])

/** A publisher's note for the audit trail, or wishes that change the decision. */
export const publishIntentSchema = z.union([
  z.string().max(200),
  z.strictObject({
    /** Only `deterministic-wired` is a demand; the other modes follow from the path. */
    mode: modeSchema.optional(),
    /** The sender moves: links will come and go. */
    moving: z.boolean().optional(),
    /** The highest bitrate that the encoder would like, kb/s. */
    max_kbps: z.number().int().min(50).max(200_000).optional(),
    relay: relayWishSchema.optional(),
  }),
])

/** A viewer's preferred transport, or wishes. */
export const subscribePreferenceSchema = z.union([
  transportSchema,
  z.strictObject({
    transports: z.array(transportSchema).max(4).optional(),
    max_kbps: z.number().int().min(50).max(200_000).optional(),
    relay: relayWishSchema.optional(),
  }),
])

/** A question to the policy; the body of `POST /v1/decide`. */
export const decisionRequestSchema = z.strictObject({
  action: z.enum(['publish', 'subscribe', 'reroute']),
  tenant_id: tenantIdSchema,
  stream_id: streamIdSchema,
  class: streamClassSchema,
  /** The sender's or viewer's node; absent for a browser, which is no node. */
  node_id: nodeIdSchema.optional(),
  /** Best first; empty leaves the order to the class. */
  preferred_transports: z.array(transportSchema).max(4).default([]),
  intent: publishIntentSchema.optional(),
  preference: subscribePreferenceSchema.optional(),
  /** reroute: links that the flow must leave. */
  avoid_links: z.array(linkIdSchema).max(16).default([]),
  /** reroute: a person asked for it, so hysteresis does not hold the flow back. */
  by_hand: z.boolean().default(false),
})
export type DecisionRequest = z.infer<typeof decisionRequestSchema>

export const encryptionChoiceSchema = z.object({
  /** In words: `RIST main profile, AES-256 and SRP`. */
  scheme: z.string(),
  aes_bits: aesBitsSchema,
  /** What proves the other end's identity: a certificate's fingerprint, a password (SRP), or the passphrase alone. */
  authentication: z.enum(['dtls', 'srp', 'passphrase', 'loopback']),
})
export type EncryptionChoice = z.infer<typeof encryptionChoiceSchema>

export const refusalCodes = [
  'acl_denied',
  'stream_not_found',
  'node_not_found',
  'node_down',
  'no_transport',
  'no_path',
  'latency_budget',
  'saturated',
] as const

export const refusalSchema = z.object({
  code: z.enum(refusalCodes),
  /** HTTP status to answer with, RFC 9110 section 15. */
  status: z.number().int(),
  message: z.string(),
  /** What is full, with the code `saturated`. */
  resource: z.string().optional(),
  /** The ACL rule that denied, with the code `acl_denied`. */
  rule: z.string().optional(),
})
export type Refusal = z.infer<typeof refusalSchema>

/** What hysteresis remembers between two decisions about one flow; Unix milliseconds. */
export const switchHistorySchema = z.object({
  switched_at: z.number().nullable(),
  /** Since when another path has been better by the margin without a break. */
  better_since: z.number().nullable(),
})
export type SwitchHistory = z.infer<typeof switchHistorySchema>

export const chosenPathSchema = z.object({
  nodes: z.array(nodeIdSchema),
  /** One link between each two nodes; of several parallel first links the best link. */
  links: z.array(linkIdSchema),
  strategy: pathStrategySchema,
  /** In the strategy's own unit. Only costs of the same strategy can be compared. */
  cost: z.number(),
})

/** The TURN relays of a WebRTC flow, best first, and whether its media may go directly at all. */
export const relayChoiceSchema = z.object({
  ice_transport_policy: iceTransportPolicySchema,
  nodes: z.array(nodeIdSchema),
})
export type RelayChoice = z.infer<typeof relayChoiceSchema>
export const NO_RELAY_CHOICE: RelayChoice = { ice_transport_policy: 'all', nodes: [] }

const told = {
  /** The ACL rule that decided. */
  rule: z.string().optional(),
  /** In words, in the order of the decisions. */
  reasons: z.array(z.string()),
}

export const grantedDecisionSchema = z.object({
  /** `downgrade`: granted in a lesser class than the class in question. */
  outcome: z.enum(['grant', 'downgrade']),
  class: streamClassSchema,
  requested_class: streamClassSchema,
  transport: transportSchema,
  encryption: encryptionChoiceSchema,
  mode: modeSchema,
  relay: relayChoiceSchema,
  path: chosenPathSchema,
  overlay: overlaySchema,
  buffer: recoveryBufferSchema.nullable(),
  pacing: pacingSchema,
  abr: abrSchema,
  latency: latencySchema,
  /** Ways for a RIST sender's links where no UDP gets through, in the order to try. */
  detours: z.array(detourSchema.omit({ url: true })),
  /** reroute: whether the flow leaves its path. A first path is a switch too. */
  switched: z.boolean(),
  history: switchHistorySchema,
  /** The sender's links that lead there and are not used now, the best first. */
  spare: z.array(linkIdSchema),
  /** Links to probe: each must prove delivery before media is trusted to it. */
  probe: z.array(linkIdSchema),
  /** Unix milliseconds. */
  expires_at: z.number().int(),
  ...told,
})
export type GrantedDecision = z.infer<typeof grantedDecisionSchema>

export const refusedDecisionSchema = z.object({
  outcome: z.literal('refuse'),
  requested_class: streamClassSchema,
  refusal: refusalSchema,
  ...told,
})

/** The policy's answer, and the answer of `POST /v1/decide`. */
export const decisionSchema = z.discriminatedUnion('outcome', [grantedDecisionSchema, refusedDecisionSchema])
export type Decision = z.infer<typeof decisionSchema>
