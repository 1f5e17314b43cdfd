import { decisionRequestSchema } from '../../common/wire/decision.ts'
import { type AuthenticatedPrincipal, UNPROVEN } from '../auth/principal.ts'
import type { Reconsidered } from '../topology/qos-triggers.ts'
import type { QosCause } from '../topology/trigger-queue.ts'
import type { WatchedFlow } from '../topology/watched-flow.ts'
import type { KnownInputs } from './asked-codec.ts'
import { auditOf, type Taking } from './decision-book.ts'
import { renewal, wishesOf } from './publish.ts'
import { type LivePublisherFlow, sameTerms } from './publisher-flow.ts'
import type { PublisherFlows } from './publisher-flows.ts'

/** The principal of decisions that nobody asked for: the hub itself. */
const HUB: AuthenticatedPrincipal = {
  id: 'hub',
  role: 'admin',
  tenant_id: null,
  ...UNPROVEN,
}

export interface ReconsiderDependencies extends Taking, KnownInputs {
  readonly publishers: PublisherFlows
}

/**
 * Decides again about a flow because something happened on its path. Tries the class that was asked for, so that a
 * lowered flow can rise again. A refusal leaves the contract as it is, and is recorded.
 */
export async function reconsider(
  deps: ReconsiderDependencies,
  { contractId }: WatchedFlow,
  cause: QosCause,
): Promise<Reconsidered> {
  const { decisions, publishers, noteDecision } = deps
  if (!publishers.get(contractId)) return { betterSince: null }
  let betterSince: number | null = null
  await publishers.update(contractId, async (running) => {
    const question = decisionRequestSchema.parse({
      action: 'reroute',
      tenant_id: running.contract.tenant_id,
      stream_id: running.contract.stream_id,
      class: running.requested_class,
      preferred_transports: [running.contract.transport],
      ...(running.node_id !== null && { node_id: running.node_id }),
      ...wishesOf(running),
    })
    const decision = decisions.ask(HUB, question, { current: running })
    const about = auditOf(HUB, question, decision)
    const record = { ...about, detail: { ...about.detail, cause } }
    if (decision.outcome === 'refuse') {
      await noteDecision(record, false)
      return { flow: running, audit: null }
    }
    betterSince = decision.history.better_since
    const updated = renewal(deps, running, { ...decision, expires_at: running.contract.expires_at })
    if (!sameTerms(running, updated) || modeReason(running) !== modeReason(updated))
      return { flow: updated, audit: record }
    return { flow: { ...running, links: updated.links, history: updated.history }, audit: null }
  })
  return { betterSince }
}

/** Why the flow runs in its mode: links that take a detour now are told, even where the mode is the same. */
function modeReason({ contract }: LivePublisherFlow): string | undefined {
  return contract.reasons.find((reason) => reason.startsWith('mode '))
}

/** A flow in the form in which the overlay watches it. */
export function watchedOf({ contract, links }: LivePublisherFlow): WatchedFlow {
  return {
    contractId: contract.contract_id,
    tenantId: contract.tenant_id,
    streamId: contract.stream_id,
    streamClass: contract.class,
    nodes: contract.overlay.path,
    links,
    bindings: contract.overlay.bindings,
    deterministic: contract.mode === 'deterministic-wired',
    kbps: contract.pacing.max_kbps,
    budgetMs: contract.latency.budget_ms,
    estimateMs: contract.latency.estimate_ms,
  }
}
