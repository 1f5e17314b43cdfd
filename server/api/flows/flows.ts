import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { refusalCodes } from '../../../common/wire/decision.ts'
import { type FlowContract, flowContractSchema } from '../../../common/wire/flow-contract.ts'
import {
  type FlowEvent,
  type FlowSummary,
  flowEventSchema,
  flowSummarySchema,
} from '../../../common/wire/flows-api.ts'
import { contractIdSchema } from '../../../common/wire/ids.ts'
import { askAcl } from '../../../policy/acl.ts'
import { actorOf } from '../../auth/principal.ts'
import { ruledStreamOf } from '../../flows/lane-inputs.ts'
import { publish } from '../../flows/publish.ts'
import { type LivePublisherFlow, ownerOf } from '../../flows/publisher-flow.ts'
import type { FlowRouteDependencies } from '../../flows/route-dependencies.ts'
import { defineRoute, type RouteContext, type Scope } from '../route.ts'

/** How long a sender's question for news is held open by default, ms. */
const NEXT_WAITS_MS = 8000

const byContract = z.strictObject({ contract_id: contractIdSchema })

export function flowRoutes(deps: FlowRouteDependencies) {
  const { publishers } = deps
  const summaryOf = (flow: LivePublisherFlow): FlowSummary => {
    const { contract, owner, granted_at } = flow
    const { tenant_id, stream_id, input } = contract
    const onAir = input && deps.streams.switched?.(tenant_id, input.of)?.status.on_air === stream_id
    return {
      ...contract,
      owner,
      granted_at,
      state: 'active',
      ...(onAir !== undefined && { on_air: onAir }),
      ways: deps.ways.of(flow),
    }
  }

  /** The flow, if it is the caller's tenant's. A flow of another tenant does not exist for the caller. */
  const flowOf = ({ tenantFilter }: RouteContext, contractId: string): LivePublisherFlow => {
    const flow = publishers.get(contractId)
    if (!flow || !seenBy(tenantFilter, flow.contract))
      throw new CodedError('contract_not_found', 'there is no such contract')
    return flow
  }
  const ownFlowOf = (context: RouteContext, contractId: string): LivePublisherFlow => {
    const flow = flowOf(context, contractId)
    if (flow.owner !== ownerOf(context.principal))
      throw new CodedError('not_owner', 'only the publisher may do this')
    return flow
  }

  /** Rules about streams hold for the streams' contracts. */
  const scope = ({ params }: { readonly params: z.output<typeof byContract> }): Scope => ({
    streamOf: (tenantFilter) => {
      const contract = publishers.get(params.contract_id)?.contract
      return contract && seenBy(tenantFilter, contract) ? ruledStreamOf(contract) : undefined
    },
  })
  const mayRead = ({ principal, tenantFilter }: RouteContext, { contract }: LivePublisherFlow): boolean =>
    seenBy(tenantFilter, contract) &&
    askAcl(deps.policyOf(contract.tenant_id).acl, {
      principal,
      action: 'flow.read',
      streamId: ruledStreamOf(contract),
    }).allowed

  return [
    defineRoute({
      method: 'get',
      path: '/v1/flows',
      summary: 'List flows',
      description: 'The contracts that run and that the caller may read, without their keys.',
      action: 'flow.read',
      lists: true,
      cost: 'read',
      answer: { status: 200, schema: z.object({ flows: z.array(flowSummarySchema) }) },
      handle: (context) => ({
        flows: publishers
          .list()
          .filter((flow) => mayRead(context, flow))
          .map(summaryOf),
      }),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/flows/{contract_id}',
      summary: 'Read a flow',
      description: 'One contract that runs, with its reasons, without its keys.',
      action: 'flow.read',
      cost: 'read',
      params: byContract,
      scope,
      answer: { status: 200, schema: flowSummarySchema },
      errors: ['contract_not_found'],
      handle: (context, { params }) => summaryOf(flowOf(context, params.contract_id)),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/flows/{contract_id}/next',
      summary: 'Wait for news of a contract',
      description:
        'Answers as soon as the contract has a newer version than `after_version`, or is over; `event` is null after ' +
        '8 s without news. For the sender that holds it: ask again at once.',
      action: 'publish',
      cost: 'read',
      holds: true,
      params: byContract,
      scope,
      query: z.strictObject({ after_version: z.coerce.number().int().min(0).default(0) }),
      answer: { status: 200, schema: z.object({ event: flowEventSchema.nullable() }) },
      errors: ['not_owner', 'contract_not_found'],
      handle: async (context, { params, query }) => {
        const flow = ownFlowOf(context, params.contract_id)
        if (flow.contract.version > query.after_version)
          return { event: { type: 'contract' as const, contract: publishers.contractOf(flow) } }
        return { event: await nextEvent(deps, params.contract_id, context.signal) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/flows/{contract_id}/renew',
      summary: 'Renew a contract',
      description: 'Asks the policy again and moves the expiry on. A refusal leaves the contract as it is.',
      action: 'publish',
      cost: 'write',
      params: byContract,
      scope,
      answer: { status: 200, schema: flowContractSchema },
      errors: [...refusalCodes, 'not_owner', 'contract_not_found', 'contract_ended'],
      handle: (context, { params }) => {
        const { contract, requested_class } = ownFlowOf(context, params.contract_id)
        const request = { stream_id: contract.stream_id, class: requested_class, preferred_transports: [] }
        return publish(deps, context.principal, contract.tenant_id, request)
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/flows/{contract_id}',
      summary: 'Revoke a contract',
      description:
        'Ends a flow now: the hub stops listening, and whoever watches is told that the stream ended. A stream of the ' +
        "hub's configuration stays away until the hub's next start.",
      action: 'flow.revoke',
      cost: 'write',
      params: byContract,
      scope,
      answer: { status: 204 },
      errors: ['contract_not_found'],
      handle: async (context, { params }) => {
        flowOf(context, params.contract_id)
        await publishers.end(params.contract_id, 'revoked', actorOf(context.principal), 'revoked by hand')
      },
    }),
  ]
}

/** Whether a caller may see a contract: it is the caller's tenant's, or the caller is the hub's admin. */
function seenBy(tenantFilter: string | null, { tenant_id }: Pick<FlowContract, 'tenant_id'>): boolean {
  return tenantFilter === null || tenant_id === tenantFilter
}

/** The next event of a contract; null when none came for a while. */
function nextEvent(
  { publishers, newsWaitMs = NEXT_WAITS_MS }: FlowRouteDependencies,
  contractId: string,
  signal: AbortSignal,
): Promise<FlowEvent | null> {
  return new Promise((resolve) => {
    const settle = (event: FlowEvent | null) => {
      clearTimeout(timer)
      stop()
      resolve(event)
    }
    const stop = publishers.listen(contractId, settle)
    const timer = setTimeout(() => settle(null), newsWaitMs)
    signal.addEventListener('abort', () => settle(null), { once: true })
  })
}
