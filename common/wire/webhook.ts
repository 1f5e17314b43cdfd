import { z } from 'zod'
import { tenantIdSchema } from './ids.ts'

/** What a webhook can be told about. `webhook.test` is sent when somebody asks for it, to that webhook alone. */
export const WEBHOOK_EVENTS = [
  'stream.live',
  'stream.no_picture',
  'stream.input_lost',
  'stream.refused',
  'stream.ended',
  'node.online',
  'node.offline',
  'contract.granted',
  'contract.updated',
  'contract.renewed',
  'contract.revoked',
  'contract.expired',
  'webhook.test',
] as const
export const webhookEventNameSchema = z.enum(WEBHOOK_EVENTS)
export type WebhookEventName = z.infer<typeof webhookEventNameSchema>

/** The body of a delivery. The same event may come more than once: `event_id` tells. */
export const webhookEventSchema = z.object({
  event_id: z.string(),
  event: webhookEventNameSchema,
  tenant_id: tenantIdSchema,
  /** When it happened, Unix milliseconds. */
  at: z.number().int(),
  /** What it is about: `stream_id`, `node_id`, `contract_id`, and what is known about that. */
  data: z.record(z.string(), z.json()),
})
export type WebhookEvent = z.infer<typeof webhookEventSchema>

/** Which events a webhook wants; `*` is all. */
export const webhookSelectionSchema = z
  .array(z.union([webhookEventNameSchema, z.literal('*')]))
  .min(1)
  .max(WEBHOOK_EVENTS.length + 1)
export type WebhookSelection = z.infer<typeof webhookSelectionSchema>

/** Deliveries are signed in this header; see docs/webhooks.md. */
export const SIGNATURE_HEADER = 'lanecast-signature'
