import { z } from 'zod'
import type { Webhooks } from '../../webhooks/webhooks.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import { webhookFields, webhookInfoSchema, webhookParams, webhookQuery } from './webhook-schemas.ts'

export const patchWebhook = (webhooks: Pick<Webhooks, 'get' | 'update'>) =>
  defineRoute({
    method: 'patch',
    path: '/v1/webhooks/{webhook_id}',
    summary: 'Change a webhook',
    description:
      'Only what is named changes. Turned off, it forgets what waits; `enabled: true` also takes back one that the hub turned off because nothing arrived.',
    action: 'tenant.write',
    cost: 'write',
    ifMatch: 'optional',
    params: webhookParams,
    query: webhookQuery,
    body: z
      .strictObject({
        url: webhookFields.url.optional(),
        events: webhookFields.events.optional(),
        description: webhookFields.description.optional(),
        enabled: z.boolean().optional(),
      })
      .refine((body) => Object.keys(body).length > 0, { message: 'must name something to change' }),
    answer: { status: 200, schema: webhookInfoSchema, headers: ETAG_HEADER },
    errors: ['webhook_url', 'tenant_not_found', 'webhook_not_found', 'version_conflict'],
    handle: async ({ tenantId, principal, ifMatch }, { params: { webhook_id }, body }) => {
      const { version } = await webhooks.get(tenantId, webhook_id)
      requireMatch(ifMatch, version)
      const webhook = await webhooks.update(tenantId, webhook_id, body, principal, version)
      return new Reply(webhook, { etag: entityTag(webhook.version) })
    },
  })
