import { decisionRequestSchema } from '../../common/wire/decision.ts'
import type { SubscribeAnswer, SubscribeRequest } from '../../common/wire/flows-api.ts'
import type { StreamClass, StreamState } from '../../common/wire/stream.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import { auditOf, type DecisionBook, grantedOrThrow } from './decision-book.ts'
import { newContractId } from './hub-node.ts'
import { proofOf } from './proof.ts'
import type { ViewerFlows } from './viewer-flows.ts'

export interface SubscribeDependencies {
  readonly decisions: DecisionBook
  readonly viewers: ViewerFlows
  /** The stream as it is now; undefined when nobody publishes it. */
  readonly streamOf: (
    tenantId: string,
    streamId: string,
  ) => { readonly state: StreamState; readonly streamClass: StreamClass } | undefined
  /** Puts a decision on the audit trail, floods of them as one record. */
  readonly noteDecision: (draft: ReturnType<typeof auditOf>, granted: boolean) => Promise<void>
  readonly now: () => number
}

/**
 * Grants a viewer its contract and tells it how to join.
 * @throws CodedError of the refusal: 403, 404 (no such stream, or not this tenant's), 503 with what is full
 */
export async function subscribe(
  { decisions, viewers, streamOf, noteDecision, now }: SubscribeDependencies,
  principal: AuthenticatedPrincipal,
  tenantId: string,
  request: SubscribeRequest,
): Promise<SubscribeAnswer> {
  const stream = streamOf(tenantId, request.stream_id)
  const question = decisionRequestSchema.parse({
    action: 'subscribe',
    tenant_id: tenantId,
    stream_id: request.stream_id,
    class: request.viewer_class ?? stream?.streamClass ?? 'director',
    ...(principal.node_id !== null && { node_id: principal.node_id }),
    ...(request.preference !== undefined && { preference: request.preference }),
  })
  const decision = decisions.ask(principal, question, null, now())
  const recorded = noteDecision(auditOf(principal, question, decision), decision.outcome !== 'refuse')
  if (decision.outcome === 'refuse') await recorded
  const granted = grantedOrThrow(decision)
  await recorded

  const contractId = newContractId()
  const { preference } = request
  const ticket = viewers.grant({
    contractId,
    tenantId,
    streamId: request.stream_id,
    subject: principal.id,
    proof: proofOf(principal),
    streamClass: granted.class,
    expiresAt: granted.expires_at,
    wantedKbps: (typeof preference === 'object' && preference.max_kbps) || null,
    abr: granted.abr,
  })
  return {
    contract_id: contractId,
    join: {
      webrtc: { protoo_url: '/protoo', ticket, whep_url: `/whep/${request.stream_id}`, ice_servers: [] },
    },
    class: granted.class,
    abr: granted.abr,
    mode: granted.mode,
    stream: stream?.state ?? { state: 'waiting' },
    reasons: granted.reasons,
    expires_at: granted.expires_at,
  }
}
