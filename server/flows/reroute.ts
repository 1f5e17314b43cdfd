import { CodedError } from '../../common/errors.ts'
import { decisionRequestSchema, type Principal } from '../../common/wire/decision.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { RerouteRequest } from '../../common/wire/flows-api.ts'
import type { KnownInputs } from './asked-codec.ts'
import { type Taking, take } from './decision-book.ts'
import { renewal, wishesOf } from './publish.ts'
import { publishedInput } from './published-input.ts'
import type { LivePublisherFlow } from './publisher-flow.ts'
import type { PublisherFlows } from './publisher-flows.ts'
import type { SwitchedLanes } from './switched-lanes.ts'

export interface RerouteDependencies extends Taking, KnownInputs {
  readonly publishers: PublisherFlows
  readonly lanes?: Pick<SwitchedLanes, 'find'>
}

/**
 * Decides again about a running stream and returns its updated contract: other links of the bond, other pacing, another
 * class. Hysteresis does not hold back a person's wish (`byHand`).
 *
 * @throws CodedError `stream_not_found` (404) or of the refusal; the running contract then stays as it is
 */
export async function reroute(
  deps: RerouteDependencies,
  principal: Principal,
  tenantId: string,
  request: RerouteRequest,
  byHand: boolean,
): Promise<FlowContract> {
  const { publishers } = deps
  const { streamId, ruledBy } = publishedInput(deps, tenantId, request)
  const found = publishers.ofStream(tenantId, streamId)
  if (!found) throw new CodedError('stream_not_found', `there is no stream "${request.stream_id}"`)
  const updated = await publishers.update(found.contract.contract_id, async (running) => {
    const question = decisionRequestSchema.parse({
      action: 'reroute',
      tenant_id: tenantId,
      stream_id: ruledBy,
      class: request.class ?? running.requested_class,
      preferred_transports: [running.contract.transport],
      ...(running.node_id !== null && { node_id: running.node_id }),
      avoid_links: linksToLeave(running, request),
      by_hand: byHand,
      ...wishesOf(running),
    })
    const { granted, record } = await take(deps, principal, question, running, { reason: request.reason })
    return { flow: { ...renewal(deps, running, granted), requested_class: question.class }, audit: record }
  })
  return publishers.contractOf(updated)
}

/** The links of the endpoints that are no longer wanted. */
function linksToLeave({ contract }: LivePublisherFlow, { current_endpoints }: RerouteRequest): string[] {
  return contract.endpoints
    .filter((endpoint) =>
      current_endpoints.some(
        ({ node_id, address, port, link }) =>
          (node_id ?? endpoint.node_id) === endpoint.node_id &&
          (address ?? endpoint.address) === endpoint.address &&
          (port ?? endpoint.port) === endpoint.port &&
          (link ?? endpoint.link) === endpoint.link,
      ),
    )
    .flatMap(({ link }) => link ?? [])
}
