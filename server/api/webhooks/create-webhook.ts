import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { Webhooks } from '../../webhooks/webhooks.ts'
import { defineRoute } from '../route.ts'
import { webhookFields, webhookInfoSchema } from './webhook-schemas.ts'

export const createWebhook = (webhooks: Pick<Webhooks, 'create'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/webhooks',
    summary: 'Create a webhook',
    description:
      'Events of the tenant go to `url` from now on, signed with `secret`, which is shown this once.',
    action: 'tenant.write',
    cost: 'write',
    body: z.strictObject({
      tenant_id: tenantIdSchema.optional(),
      url: webhookFields.url,
      events: webhookFields.events,
      description: webhookFields.description.optional(),
    }),
    answer: { status: 201, schema: z.object({ secret: z.string(), ...webhookInfoSchema.shape }) },
    errors: ['webhook_url', 'tenant_not_found', 'too_many_webhooks'],
    handle: async ({ tenantId, principal }, { body: { url, events, description } }) => {
      const wanted = { tenant_id: tenantId, url, events, description, by: principal }
      const { webhook, secret } = await webhooks.create(wanted)
      return { secret, ...webhook }
    },
  })
