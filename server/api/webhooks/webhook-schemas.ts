import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { webhookSelectionSchema } from '../../../common/wire/webhook.ts'
import { webhookRecordSchema } from '../../webhooks/webhook-record.ts'
import { tokenIdSchema } from '../tokens/token-schemas.ts'

/** A webhook as the API shows it, without its secret. */
export const webhookInfoSchema = z.object({
  webhook_id: z.string(),
  tenant_id: tenantIdSchema,
  version: z.number().int(),
  ...webhookRecordSchema.omit({ secret: true, previous: true }).shape,
  /** Number of deliveries that wait on this hub. */
  waiting: z.number().int(),
})

export const webhookFields = {
  url: z.string().min(1).max(2000),
  events: webhookSelectionSchema,
  description: z.string().max(200),
} as const

export const webhookParams = z.strictObject({ webhook_id: tokenIdSchema })
export const webhookQuery = z.strictObject({ tenant_id: tenantIdSchema.optional() })
