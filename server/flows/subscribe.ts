import { decisionRequestSchema } from '../../common/wire/decision.ts'
import type { SubscribeAnswer, SubscribeRequest } from '../../common/wire/flows-api.ts'
import type { StreamClass, StreamState } from '../../common/wire/stream.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import { newContractId } from './contract-secrets.ts'
import { auditOf, type DecisionBook, grantedOrThrow, placeHolderOf } from './decision-book.ts'
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
  /** Records a decision on the audit trail; a flood becomes one record. */
  readonly noteDecision: (draft: ReturnType<typeof auditOf>, granted: boolean) => Promise<void>
}

/**
 * Grants a viewer its contract and tells the viewer how to join.
 * @param address the caller's address, by which callers without a token are counted
 * @throws CodedError of the refusal: 403, 404 (no such stream, or another tenant's), 503 with what is full
 */
export async function subscribe(
  { decisions, viewers, streamOf, noteDecision }: SubscribeDependencies,
  principal: AuthenticatedPrincipal,
  tenantId: string,
  request: SubscribeRequest,
  address: string,
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
  const decision = decisions.ask(principal, question, { address })
  const recorded = noteDecision(auditOf(principal, question, decision), decision.outcome !== 'refuse')
  if (decision.outcome === 'refuse') await recorded
  const granted = grantedOrThrow(decision)

  const contractId = newContractId()
  const { preference } = request
  // Before the first wait: of two callers at once, the second is decided after the first has its place.
  const ticket = viewers.grant(
    {
      contractId,
      tenantId,
      streamId: request.stream_id,
      subject: principal.id,
      holder: placeHolderOf(principal, address),
      proof: proofOf(principal),
      streamClass: granted.class,
      relay: granted.relay,
      expiresAt: granted.expires_at,
      wantedKbps: (typeof preference === 'object' && preference.max_kbps) || null,
      abr: granted.abr,
    },
    decisions.placeCeilings(tenantId),
  )
  try {
    await recorded
  } catch (error) {
    viewers.end(contractId, 'revoked')
    throw error
  }
  return {
    contract_id: contractId,
    join: {
      webrtc: {
        protoo_url: '/protoo',
        ticket,
        whep_url: `/whep/${request.stream_id}`,
        ...viewers.ice(contractId),
      },
    },
    class: granted.class,
    abr: granted.abr,
    mode: granted.mode,
    stream: stream?.state ?? { state: 'waiting' },
    reasons: granted.reasons,
    expires_at: granted.expires_at,
  }
}
