import { z } from 'zod'
import type { Webhooks } from '../../webhooks/webhooks.ts'
import { defineRoute } from '../route.ts'
import { webhookParams, webhookQuery } from './webhook-schemas.ts'

export const rotateWebhookSecret = (webhooks: Pick<Webhooks, 'rotateSecret'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/webhooks/{webhook_id}/rotate-secret',
    summary: "Rotate a webhook's secret",
    description: 'The new secret is shown this once; for a day deliveries are signed with the old one too.',
    action: 'tenant.write',
    cost: 'write',
    params: webhookParams,
    query: webhookQuery,
    answer: { status: 200, schema: z.object({ secret: z.string() }) },
    errors: ['tenant_not_found', 'webhook_not_found', 'version_conflict'],
    handle: async ({ tenantId, principal }, { params }) => ({
      secret: await webhooks.rotateSecret(tenantId, params.webhook_id, principal),
    }),
  })
