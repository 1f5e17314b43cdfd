import type { Webhooks } from '../../webhooks/webhooks.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import { webhookInfoSchema, webhookParams, webhookQuery } from './webhook-schemas.ts'

export const getWebhook = (webhooks: Pick<Webhooks, 'get'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/webhooks/{webhook_id}',
    summary: 'Get a webhook',
    description: 'How it is, and whether its deliveries arrive.',
    action: 'tenant.read',
    cost: 'read',
    params: webhookParams,
    query: webhookQuery,
    answer: { status: 200, schema: webhookInfoSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found', 'webhook_not_found'],
    handle: async ({ tenantId }, { params }) => {
      const webhook = await webhooks.get(tenantId, params.webhook_id)
      return new Reply(webhook, { etag: entityTag(webhook.version) })
    },
  })
