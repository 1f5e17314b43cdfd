import { z } from 'zod'
import { webhookEventSchema, webhookSelectionSchema } from '../../common/wire/webhook.ts'
import type { Typed } from '../store/collection.ts'

/** A tenant's webhook as the store keeps it. Times are Unix milliseconds. */
export const webhookRecordSchema = z.strictObject({
  url: z.string(),
  events: webhookSelectionSchema,
  description: z.string().max(200),
  /** Sealed. */
  secret: z.string(),
  /** The previous secret, sealed, which still signs until `previous_until`. */
  previous: z.string().nullable(),
  previous_until: z.number().int().nullable(),
  enabled: z.boolean(),
  /** Why the hub itself turned the webhook off. */
  disabled_reason: z.string().nullable(),
  created_at: z.number().int(),
  created_by: z.string(),
  /** Since when every delivery failed; null while deliveries arrive. */
  failing_since: z.number().int().nullable(),
})
export type WebhookRecord = z.infer<typeof webhookRecordSchema>

/** A webhook as its administrators may see it: without its secret. */
export type WebhookInfo = Omit<WebhookRecord, 'secret' | 'previous'> & {
  readonly webhook_id: string
  readonly tenant_id: string
  readonly version: number
  /** Number of deliveries that wait on this hub. */
  readonly waiting: number
}

export function webhookInfo(document: Typed<WebhookRecord>, waiting: number): WebhookInfo {
  const { secret, previous, ...rest } = document.value
  const { tenant_id, id, version } = document
  return { webhook_id: id, tenant_id, version, ...rest, waiting }
}

/** A delivery that has not arrived yet; its id is `<webhook id>.<event id>`. */
export const pendingSchema = z.strictObject({
  webhook_id: z.string(),
  /** The hub that delivers it. */
  hub_id: z.string(),
  event: webhookEventSchema,
  queued_at: z.number().int(),
})
export type Pending = z.infer<typeof pendingSchema>
