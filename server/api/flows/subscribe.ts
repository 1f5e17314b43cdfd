import { refusalCodes } from '../../../common/wire/decision.ts'
import { subscribeAnswerSchema, subscribeRequestSchema } from '../../../common/wire/flows-api.ts'
import type { FlowRouteDependencies } from '../../flows/route-dependencies.ts'
import { subscribe } from '../../flows/subscribe.ts'
import { defineRoute } from '../route.ts'

export const subscribeRoute = (deps: FlowRouteDependencies) =>
  defineRoute({
    method: 'post',
    path: '/v1/subscribe',
    summary: 'Watch a stream',
    description:
      'Grants a viewer its contract and says how to join. The ticket is a secret of this viewer: it goes into the ' +
      'first request on the WebSocket and lets one connection in. Callers without a token name the tenant and get ' +
      'what its ACL opens to `anonymous`.',
    action: 'subscribe',
    anonymous: true,
    cost: 'decide',
    body: subscribeRequestSchema,
    answer: { status: 200, schema: subscribeAnswerSchema },
    errors: [...refusalCodes],
    handle: ({ principal, tenantId, address }, { body }) =>
      subscribe(deps, principal, tenantId, body, address),
  })
