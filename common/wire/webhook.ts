import { z } from 'zod'
import { tenantIdSchema } from './ids.ts'

/** Events for webhooks. `webhook.test` is sent on request, to that webhook alone. */
export const WEBHOOK_EVENTS = [
  'stream.live',
  'stream.no_picture',
  'stream.input_lost',
  'stream.refused',
  'stream.ended',
  'stream.switched',
  'node.online',
  'node.offline',
  'node.config_applied',
  'node.config_refused',
  'node.config_local',
  'node.command_done',
  'node.command_refused',
  'node.command_expired',
  'node.broadcast',
  'contract.granted',
  'contract.updated',
  'contract.renewed',
  'contract.revoked',
  'contract.expired',
  'program.created',
  'program.changed',
  'program.deleted',
  'program.taken',
  'program.locked',
  'program.unlocked',
  'webhook.test',
] as const
export const webhookEventNameSchema = z.enum(WEBHOOK_EVENTS)
export type WebhookEventName = z.infer<typeof webhookEventNameSchema>

/** The body of a delivery. The same event may come more than once: compare `event_id`. */
export const webhookEventSchema = z.object({
  event_id: z.string(),
  event: webhookEventNameSchema,
  tenant_id: tenantIdSchema,
  /** Time of the event, Unix milliseconds. */
  at: z.number().int(),
  /** The subject: `stream_id`, `node_id`, `program_id` or `contract_id`, and what is known about it. */
  data: z.record(z.string(), z.json()),
})
export type WebhookEvent = z.infer<typeof webhookEventSchema>

/** The events that a webhook wants; `*` means all. */
export const webhookSelectionSchema = z
  .array(z.union([webhookEventNameSchema, z.literal('*')]))
  .min(1)
  .max(WEBHOOK_EVENTS.length + 1)
export type WebhookSelection = z.infer<typeof webhookSelectionSchema>
