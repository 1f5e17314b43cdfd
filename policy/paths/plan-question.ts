import type { DecisionRequest, Principal, TransportCapability } from '../../common/wire/decision.ts'
import type { EffectiveClass, EffectivePolicy } from '../effective.ts'
import type { DecisionFacts } from '../facts.ts'
import type { GraphNode } from './graph.ts'

/** What a path is needed for: one class over one transport. */
export interface PlanQuestion {
  readonly principal: Principal
  readonly request: DecisionRequest
  readonly facts: DecisionFacts
  readonly policy: EffectivePolicy
  readonly streamClass: EffectiveClass
  /** The end outside the overlay, where it is a node. */
  readonly outside: GraphNode | null
  readonly capability: TransportCapability
  readonly deterministic: boolean
  /** The path in use turned out not good enough for the class. */
  readonly unfit: boolean
  /** Unix milliseconds. */
  readonly nowMs: number
}
