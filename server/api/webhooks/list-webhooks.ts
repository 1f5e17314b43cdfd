import { z } from 'zod'
import type { Webhooks } from '../../webhooks/webhooks.ts'
import { defineRoute } from '../route.ts'
import { webhookInfoSchema, webhookQuery } from './webhook-schemas.ts'

export const listWebhooks = (webhooks: Pick<Webhooks, 'list'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/webhooks',
    summary: 'List webhooks',
    description: "The tenant's, without their secrets.",
    action: 'tenant.read',
    cost: 'read',
    query: webhookQuery,
    answer: { status: 200, schema: z.object({ webhooks: z.array(webhookInfoSchema) }) },
    errors: ['tenant_not_found'],
    handle: ({ tenantId }) => ({ webhooks: webhooks.list(tenantId) }),
  })
