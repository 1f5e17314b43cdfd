import type { DecisionRequest, GrantedDecision, Principal, Refusal } from '../common/wire/decision.ts'
import type { EffectiveClass, EffectivePolicy } from './effective.ts'
import type { DecisionFacts } from './facts.ts'
import type { GraphNode } from './paths/graph.ts'
import { attemptTransport } from './transport-attempt.ts'
import { transportCandidates } from './transport-choice.ts'

export interface AttemptQuestion {
  readonly principal: Principal
  readonly request: DecisionRequest
  readonly facts: DecisionFacts
  readonly policy: EffectivePolicy
  /** The end outside the overlay, where that end is a node. */
  readonly outside: GraphNode | null
  readonly nowMs: number
}

export type ClassAttempt =
  | { readonly fits: true; readonly decision: GrantedDecision }
  | {
      readonly fits: false
      /** Refusal of the transport that was tried first. */
      readonly refusal: Refusal
      readonly reasons: readonly string[]
      /** No other class would fare better. */
      readonly final: boolean
    }

/** Tries one class over each transport that its encryption allows, best first, until one fits. */
export function attemptClass(asked: AttemptQuestion, streamClass: EffectiveClass): ClassAttempt {
  const { request, facts, outside } = asked
  const capabilities = outside?.facts.transports ?? facts.peer.transports
  const transports = transportCandidates(
    capabilities,
    request,
    streamClass.name,
    streamClass.encryption,
    outside === null && facts.peer.hostNodeId !== null,
  )
  const wishesWire = typeof request.intent === 'object' && request.intent.mode === 'deterministic-wired'
  const deterministic = streamClass.deterministic || wishesWire

  const reasons = [...transports.reasons]
  let refusal: Refusal | undefined
  let final = transports.candidates.length > 0
  for (const capability of transports.candidates) {
    const attempt = attemptTransport({ ...asked, streamClass, capability, deterministic, unfit: false })
    if (attempt.fits) {
      return {
        fits: true,
        decision: { ...attempt.decision, reasons: [...reasons, ...attempt.decision.reasons] },
      }
    }
    refusal ??= attempt.refusal
    reasons.push(...attempt.reasons, `${capability.transport} rejected: ${attempt.refusal.message}`)
    final &&= attempt.final === 'class'
    if (attempt.final !== 'no') break
  }
  return { fits: false, refusal: refusal ?? noTransport(transports.reasons), reasons, final }
}

function noTransport(rejected: readonly string[]): Refusal {
  const why = rejected.length > 0 ? rejected.join('; ') : 'this end speaks none that is known'
  return { code: 'no_transport', status: 409, message: `no transport meets the policy: ${why}` }
}
