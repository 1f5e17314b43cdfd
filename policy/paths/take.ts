import type { SwitchHistory } from '../../common/wire/decision.ts'
import type { CurrentFlow } from '../facts.ts'
import { judgeSwitch } from '../hysteresis.ts'
import type { Costs } from './costs.ts'
import { isBackwards } from './ends.ts'
import { evaluatePath } from './evaluate.ts'
import type { PlanQuestion } from './plan-question.ts'
import type { FoundPath } from './search.ts'

/** The path that a flow gets: the best path found, or by hysteresis the path in use. */
export interface TakenPath {
  readonly path: FoundPath
  /** The flow leaves its path. A first path is a switch too. */
  readonly switched: boolean
  readonly fledDeadPath: boolean
  readonly history: SwitchHistory
  readonly reasons: readonly string[]
}

/** @param best undefined where the search found no path @returns null where there is no path in use either */
export function takePath(
  question: PlanQuestion,
  costs: Costs,
  best: FoundPath | undefined,
): TakenPath | null {
  const { current: flow } = question.facts
  if (!flow) {
    const history = { switched_at: null, better_since: null }
    return best ? { path: best, switched: true, fledDeadPath: false, history, reasons: [] } : null
  }
  const inUse = nodesInUse(question, flow)
  const current = evaluateInUse(question, costs, flow, inUse)
  const stay = (path: FoundPath, reason: string): TakenPath => ({
    path,
    switched: false,
    fledDeadPath: false,
    history: { switched_at: flow.history.switched_at, better_since: null },
    reasons: [reason],
  })
  if (!best) return current && stay(current, 'stays: nothing else leads there')
  if (isOver(best, inUse)) return stay(current ?? best, 'stays: the path in use is the best')
  const answer = judgeSwitch(
    {
      currentCost: current?.cost ?? null,
      candidateCost: best.cost,
      noise: question.streamClass.strategy.noise,
      history: flow.history,
      byHand: question.request.by_hand,
      unfit: question.unfit,
    },
    question.policy.switching,
    question.nowMs,
  )
  return {
    path: answer.switches || !current ? best : current,
    switched: answer.switches,
    fledDeadPath: current === null,
    history: answer.history,
    reasons: [answer.reason],
  }
}

/** What the path in use costs now. A reroute by hand away from a link does not count that link. */
function evaluateInUse(
  { request, policy, outside, streamClass, facts }: PlanQuestion,
  costs: Costs,
  flow: CurrentFlow,
  nodes: readonly string[],
): FoundPath | null {
  const avoidLinks = request.by_hand ? new Set(request.avoid_links) : new Set<string>()
  const links = isBackwards(request, outside) ? flow.links.toReversed() : flow.links
  const { combine } = streamClass.strategy
  return evaluatePath(facts.topology, policy.tenantId, nodes, links, { costs, combine, avoidLinks })
}

function nodesInUse({ request, outside }: PlanQuestion, { nodes }: CurrentFlow): readonly string[] {
  return isBackwards(request, outside) ? nodes.toReversed() : nodes
}

function isOver({ nodes }: FoundPath, nodeIds: readonly string[]): boolean {
  return nodes.length === nodeIds.length && nodes.every(({ facts }, index) => facts.nodeId === nodeIds[index])
}
