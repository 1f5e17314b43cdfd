import { z } from 'zod'
import { publishIntentSchema, subscribePreferenceSchema } from './decision.ts'
import {
  abrSchema,
  flowContractSchema,
  iceAccessSchema,
  linkWaySchema,
  openContractSchema,
} from './flow-contract.ts'
import {
  contractIdSchema,
  linkIdSchema,
  modeSchema,
  nodeIdSchema,
  tenantIdSchema,
  transportSchema,
} from './ids.ts'
import { streamClassSchema, streamIdSchema, streamStateSchema } from './stream.ts'
import { laneInputSchema, laneRulesSchema, switchedStatusSchema } from './switched-inputs.ts'
import { watchedPathSchema } from './viewer-protocol.ts'

/** Bodies and answers of the calls that grant, change and end flows. */

export const publishRequestSchema = z.strictObject({
  stream_id: streamIdSchema,
  class: streamClassSchema.default('director'),
  /** Best first. Policy and the abilities of both ends decide. */
  preferred_transports: z.array(transportSchema).max(4).default([]),
  intent: publishIntentSchema.optional(),
  /** Makes the caller one of several publishers of the stream, of whom one is on air. */
  input: laneInputSchema.extend({ rules: laneRulesSchema.optional() }).optional(),
})
export type PublishRequest = z.infer<typeof publishRequestSchema>

export const subscribeRequestSchema = z.strictObject({
  stream_id: streamIdSchema,
  /** The class that the viewer asks for; the stream's own class when left out. */
  viewer_class: streamClassSchema.optional(),
  preference: subscribePreferenceSchema.optional(),
  /** For callers without a token: the tenant of the stream. Tokens name their tenant. */
  tenant_id: tenantIdSchema.optional(),
})
export type SubscribeRequest = z.infer<typeof subscribeRequestSchema>

export const subscribeAnswerSchema = z.object({
  contract_id: contractIdSchema,
  join: z.object({
    webrtc: z.object({
      /** WebSocket path or URL; the ticket goes into the first request, never into the URL. */
      protoo_url: z.string(),
      ticket: z.string(),
      /** Where WHEP clients (draft-ietf-wish-whep) post their offer, with the ticket as bearer token. */
      whep_url: z.string(),
      ...iceAccessSchema.shape,
    }),
  }),
  class: streamClassSchema,
  abr: abrSchema,
  mode: modeSchema,
  stream: streamStateSchema,
  reasons: z.array(z.string()),
  /** Unix ms. Subscribe again before. */
  expires_at: z.number().int(),
})
export type SubscribeAnswer = z.infer<typeof subscribeAnswerSchema>

export const rerouteRequestSchema = z.strictObject({
  stream_id: streamIdSchema,
  /** Which of the publishers of a switched stream; left out: its first. */
  input: laneInputSchema.optional(),
  reason: z.string().min(1).max(200),
  /** Endpoints to leave, because they fail or are not wanted. Empty: decide again with what is known now. */
  current_endpoints: z
    .array(
      z.strictObject({
        node_id: nodeIdSchema.optional(),
        address: z.string().max(253).optional(),
        port: z.number().int().min(1).max(65_535).optional(),
        link: linkIdSchema.optional(),
      }),
    )
    .max(16)
    .default([]),
  /** A new class for the flow. */
  class: streamClassSchema.optional(),
})
export type RerouteRequest = z.infer<typeof rerouteRequestSchema>

/** A contract without its secrets, for readers who may not have them. */
export const flowSummarySchema = openContractSchema.extend({
  owner: z.string(),
  state: z.enum(['active', 'expired', 'revoked']),
  granted_at: z.number().int(),
  /** For an input of a switched stream: whether viewers see it now. */
  on_air: z.boolean().optional(),
  /** How each endpoint is reached now; empty for transports without endpoints. */
  ways: z.array(linkWaySchema),
})
export type FlowSummary = z.infer<typeof flowSummarySchema>

export const streamSummarySchema = z.object({
  stream_id: streamIdSchema,
  tenant_id: tenantIdSchema,
  class: streamClassSchema,
  viewers: z.number().int(),
  ...streamStateSchema.shape,
  /** What is on air, of which inputs; left out for a stream with one input. */
  switched: switchedStatusSchema.optional(),
})
export type StreamSummary = z.infer<typeof streamSummarySchema>

export const takeInputSchema = z.strictObject({
  /** The input's own stream, such as `cam1.standby`. */
  input: streamIdSchema,
})

export const takeInputAnswerSchema = z.object({
  stream_id: streamIdSchema,
  input: streamIdSchema,
  /** When the first packet of the input left the switch. */
  at_unix_ms: z.number(),
  /** When its first picture was captured; null where nobody knows. */
  capture_unix_ms: z.number().nullable(),
})

export const viewerSummarySchema = z.object({
  contract_id: contractIdSchema,
  tenant_id: tenantIdSchema,
  stream_id: streamIdSchema,
  subject: z.string(),
  class: streamClassSchema,
  abr: abrSchema,
  connected: z.boolean(),
  /** How media reaches the viewer, by its own word; null while nobody said. */
  path: watchedPathSchema.nullable(),
  expires_at: z.number().int(),
})

/** What `GET /v1/flows/{contract_id}/events` sends as server-sent events, one JSON object each. */
export const flowEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('contract'), contract: flowContractSchema }),
  z.object({ type: z.literal('ended'), reason: z.enum(['expired', 'revoked']) }),
])
export type FlowEvent = z.infer<typeof flowEventSchema>
