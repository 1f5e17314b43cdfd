import { z } from 'zod'
import type { Webhooks } from '../../webhooks/webhooks.ts'
import { defineRoute } from '../route.ts'
import { webhookParams, webhookQuery } from './webhook-schemas.ts'

export const testWebhook = (webhooks: Pick<Webhooks, 'sendTest'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/webhooks/{webhook_id}/test',
    summary: 'Send a test event',
    description:
      'Queues `webhook.test` for this webhook alone; `waiting` and `failing_since` tell how it went.',
    action: 'tenant.write',
    cost: 'enrol',
    params: webhookParams,
    query: webhookQuery,
    answer: { status: 202, schema: z.object({ event_id: z.string() }) },
    errors: ['tenant_not_found', 'webhook_not_found', 'webhook_disabled'],
    handle: async ({ tenantId }, { params }) => ({
      event_id: await webhooks.sendTest(tenantId, params.webhook_id),
    }),
  })
