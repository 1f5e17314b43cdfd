import { refusalCodes } from '../../../common/wire/decision.ts'
import { openContractSchema } from '../../../common/wire/flow-contract.ts'
import { rerouteRequestSchema } from '../../../common/wire/flows-api.ts'
import { askAcl } from '../../../policy/acl.ts'
import { reroute } from '../../flows/reroute.ts'
import type { FlowRouteDependencies } from '../../flows/route-dependencies.ts'
import { defineRoute } from '../route.ts'

export const rerouteRoute = (deps: FlowRouteDependencies) =>
  defineRoute({
    method: 'post',
    path: '/v1/reroute',
    summary: 'Reroute a stream',
    description:
      'Decides anew about a stream that runs, without the endpoints named, and answers its updated contract. The ' +
      'sender hears of it at once (GET /v1/flows/{contract_id}/next).',
    action: 'reroute',
    cost: 'decide',
    body: rerouteRequestSchema,
    answer: { status: 200, schema: openContractSchema },
    errors: [...refusalCodes, 'contract_ended', 'stream_not_switched', 'bad_stream_id'],
    handle: async ({ principal, tenantId }, { body }) => {
      const { acl } = deps.policyOf(tenantId)
      // A caller with `control` overrules the rules against flapping paths. A sender that asks does not.
      const byHand = askAcl(acl, { principal, action: 'control', streamId: body.stream_id }).allowed
      const { keys: _keys, join: _join, ...contract } = await reroute(deps, principal, tenantId, body, byHand)
      return contract
    },
  })
