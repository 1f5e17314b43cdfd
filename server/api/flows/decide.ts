import { z } from 'zod'
import { decisionRequestSchema, decisionSchema } from '../../../common/wire/decision.ts'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { publishedInput } from '../../flows/published-input.ts'
import type { FlowRouteDependencies } from '../../flows/route-dependencies.ts'
import { defineRoute } from '../route.ts'

/** Without `tenant_id` the tenant is the caller's own. */
const bodySchema = decisionRequestSchema.extend({ tenant_id: z.optional(tenantIdSchema) })

export const decideRoute = (deps: FlowRouteDependencies) =>
  defineRoute({
    method: 'post',
    path: '/v1/decide',
    summary: 'Ask for a decision without taking it',
    description: 'What a publish, subscribe or reroute would be answered now, and why. Nothing is changed.',
    action: 'decide',
    cost: 'decide',
    body: bodySchema,
    answer: { status: 200, schema: decisionSchema },
    errors: ['stream_not_switched', 'bad_stream_id'],
    handle: ({ principal, tenantId, address }, { body }) => {
      const request = { ...body, tenant_id: tenantId }
      if (request.action === 'subscribe') return deps.decisions.ask(principal, request, { address })
      const { streamId, ruledBy } = publishedInput(deps, tenantId, request)
      const current = deps.publishers.ofStream(tenantId, streamId) ?? null
      return deps.decisions.ask(principal, { ...request, stream_id: ruledBy }, { current, address })
    },
  })
