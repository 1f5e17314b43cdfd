import { CodedError } from '../../common/errors.ts'
import { decisionRequestSchema, type Principal } from '../../common/wire/decision.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { RerouteRequest } from '../../common/wire/flows-api.ts'
import { auditOf, type DecisionBook, grantedOrThrow } from './decision-book.ts'
import { renewal } from './publish.ts'
import { contractOf, type PublisherFlows } from './publisher-flows.ts'

export interface RerouteDependencies {
  readonly decisions: DecisionBook
  readonly publishers: PublisherFlows
  readonly audit: (draft: ReturnType<typeof auditOf>) => Promise<void>
  readonly now: () => number
}

/**
 * Decides anew about a stream that runs and answers its updated contract: other links of the bond, other pacing,
 * another class. A person's wish (`byHand`) is not held back by hysteresis.
 *
 * @throws CodedError `stream_not_found` (404) or of the refusal; the running contract then stays as it is
 */
export async function reroute(
  { decisions, publishers, audit, now }: RerouteDependencies,
  principal: Principal,
  tenantId: string,
  request: RerouteRequest,
  byHand: boolean,
): Promise<FlowContract> {
  const running = publishers.ofStream(tenantId, request.stream_id)
  if (!running)
    throw new CodedError('stream_not_found', `there is no stream "${request.stream_id}"`, { status: 404 })
  const leave = running.contract.endpoints.filter((endpoint) =>
    request.current_endpoints.some(
      ({ node_id, address, port, link }) =>
        (node_id ?? endpoint.node_id) === endpoint.node_id &&
        (address ?? endpoint.address) === endpoint.address &&
        (port ?? endpoint.port) === endpoint.port &&
        (link ?? endpoint.link) === endpoint.link,
    ),
  )
  const question = decisionRequestSchema.parse({
    action: 'reroute',
    tenant_id: tenantId,
    stream_id: request.stream_id,
    class: request.class ?? running.requested_class,
    ...(running.node_id !== null && { node_id: running.node_id }),
    avoid_links: leave.flatMap(({ link }) => link ?? []),
    by_hand: byHand,
  })
  const decision = decisions.ask(principal, question, running, now())
  const record = auditOf(principal, question, decision)
  const told = { ...record, detail: { ...record.detail, reason: request.reason } }
  if (decision.outcome === 'refuse') await audit(told)
  const granted = grantedOrThrow(decision)
  const updated = { ...renewal(running, granted), requested_class: question.class }
  await publishers.update(updated, told)
  return contractOf(updated)
}
