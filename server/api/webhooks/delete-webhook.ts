import type { Webhooks } from '../../webhooks/webhooks.ts'
import { defineRoute } from '../route.ts'
import { webhookParams, webhookQuery } from './webhook-schemas.ts'

export const deleteWebhook = (webhooks: Pick<Webhooks, 'remove'>) =>
  defineRoute({
    method: 'delete',
    path: '/v1/webhooks/{webhook_id}',
    summary: 'Delete a webhook',
    description: 'What was not delivered yet is forgotten.',
    action: 'tenant.write',
    cost: 'write',
    params: webhookParams,
    query: webhookQuery,
    answer: { status: 204 },
    errors: ['tenant_not_found', 'webhook_not_found'],
    handle: ({ tenantId, principal }, { params }) => webhooks.remove(tenantId, params.webhook_id, principal),
  })
