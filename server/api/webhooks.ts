import { z } from 'zod'
import { tenantIdSchema } from '../../common/wire/ids.ts'
import { webhookSelectionSchema } from '../../common/wire/webhook.ts'
import type { WebhookInfo } from '../webhooks/webhook-record.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import { defineRoute, type Route } from './route.ts'

const webhookViewSchema = z.object({
  webhook_id: z.string(),
  tenant_id: tenantIdSchema,
  url: z.string(),
  events: webhookSelectionSchema,
  description: z.string(),
  enabled: z.boolean(),
  /** Why the hub itself turned it off. */
  disabled_reason: z.string().nullable(),
  /** Since when every delivery failed, Unix ms; null while they arrive. */
  failing_since: z.number().int().nullable(),
  created_at: z.number().int(),
  /** Deliveries that wait. */
  waiting: z.number().int(),
})

const byId = z.strictObject({ webhook_id: z.string().min(1).max(64) })
const tenantQuery = z.strictObject({ tenant_id: tenantIdSchema.optional() })
const url = z.url().max(2000)
const description = z.string().max(200)

/** A tenant's webhooks: who is told what happens to its streams, nodes and contracts (docs/webhooks.md). */
export function webhookRoutes(webhooks: Webhooks): Route[] {
  const errors = {
    400: ['webhook_url'],
    404: ['webhook_not_found', 'tenant_not_found'],
    409: ['too_many_webhooks', 'webhook_disabled'],
  }
  return [
    defineRoute({
      method: 'post',
      path: '/v1/webhooks',
      summary: 'Create a webhook',
      description: 'Events are posted to `url`, signed with `secret`, which is shown this once.',
      action: 'tenant.write',
      cost: 'write',
      body: z.strictObject({
        url,
        events: webhookSelectionSchema,
        description: description.optional(),
        tenant_id: tenantIdSchema.optional(),
      }),
      answer: { status: 201, schema: webhookViewSchema.extend({ secret: z.string() }) },
      errors,
      handle: async ({ principal, tenantId }, { body }) => {
        const { webhook, secret } = await webhooks.create({
          tenant_id: tenantId,
          url: body.url,
          events: body.events,
          description: body.description,
          by: principal,
        })
        return { ...viewOf(webhook), secret }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/webhooks',
      summary: 'List webhooks',
      description: "The tenant's webhooks, without their secrets.",
      action: 'tenant.read',
      cost: 'read',
      query: tenantQuery,
      answer: { status: 200, schema: z.object({ webhooks: z.array(webhookViewSchema) }) },
      errors: { 404: ['tenant_not_found'] },
      handle: async ({ tenantId }) => ({ webhooks: (await webhooks.list(tenantId)).map(viewOf) }),
    }),
    defineRoute({
      method: 'patch',
      path: '/v1/webhooks/{webhook_id}',
      summary: 'Change a webhook',
      description:
        'What is left out stays. A webhook that was turned off after long failure is turned on by `enabled`.',
      action: 'tenant.write',
      cost: 'write',
      params: byId,
      query: tenantQuery,
      body: z.strictObject({
        url: url.optional(),
        events: webhookSelectionSchema.optional(),
        description: description.optional(),
        enabled: z.boolean().optional(),
      }),
      answer: { status: 200, schema: webhookViewSchema },
      errors,
      handle: async ({ principal, tenantId }, { params, body }) =>
        viewOf(await webhooks.update(tenantId, params.webhook_id, body, principal)),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/webhooks/{webhook_id}/test',
      summary: 'Test a webhook',
      description: 'Sends `webhook.test` to this webhook alone.',
      action: 'tenant.write',
      cost: 'write',
      params: byId,
      query: tenantQuery,
      answer: { status: 202, schema: z.object({ event_id: z.string() }) },
      errors,
      handle: async ({ tenantId }, { params }) => ({
        event_id: await webhooks.sendTest(tenantId, params.webhook_id),
      }),
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/webhooks/{webhook_id}',
      summary: 'Delete a webhook',
      description: 'What waits for it is dropped.',
      action: 'tenant.write',
      cost: 'write',
      params: byId,
      query: tenantQuery,
      answer: { status: 204 },
      errors: { 404: ['webhook_not_found', 'tenant_not_found'] },
      handle: async ({ principal, tenantId }, { params }) => {
        await webhooks.remove(tenantId, params.webhook_id, principal)
        return undefined
      },
    }),
  ]
}

function viewOf(webhook: WebhookInfo): z.infer<typeof webhookViewSchema> {
  return webhookViewSchema.parse(webhook)
}
