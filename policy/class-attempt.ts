import type { DecisionRequest, GrantedDecision, Refusal } from '../common/wire/decision.ts'
import { choosePacing } from './abr-bounds.ts'
import { describeLatency, fitsBudget } from './admission.ts'
import type { EffectiveClass, EffectivePolicy } from './effective.ts'
import type { DecisionFacts } from './facts.ts'
import { type Leg, layLeg } from './leg.ts'
import { chooseMode, type ModeChoice } from './mode-choice.ts'
import type { Rejection } from './paths/constraints.ts'
import { describeFull, describeNoPlan, describePlan } from './paths/describe.ts'
import { isBackwards } from './paths/ends.ts'
import type { GraphNode } from './paths/graph.ts'
import { type NoPlan, type Plan, planPath } from './paths/plan.ts'
import type { PlanQuestion } from './paths/plan-question.ts'
import { transportCandidates } from './transport-choice.ts'

export interface AttemptQuestion {
  readonly request: DecisionRequest
  readonly facts: DecisionFacts
  readonly policy: EffectivePolicy
  /** The end outside the overlay, where it is a node. */
  readonly outside: GraphNode | null
  readonly nowMs: number
}

export type Attempt =
  | { readonly fits: true; readonly decision: GrantedDecision }
  | {
      readonly fits: false
      readonly refusal: Refusal
      readonly reasons: readonly string[]
      /** No other class would fare better. */
      readonly final: boolean
    }

/** Tries one class: encryption and transports, path, links, latency budget, bitrate, mode. */
export function attemptClass(asked: AttemptQuestion, streamClass: EffectiveClass): Attempt {
  const { request, facts, outside, nowMs } = asked
  const capabilities = outside?.facts.transports ?? facts.peer.transports
  const transports = transportCandidates(capabilities, request, streamClass.name, streamClass.encryption)
  const reasons = [...transports.reasons]
  const stop = (refusal: Refusal, final = false): Attempt => ({ fits: false, refusal, reasons, final })

  const wishesWire = typeof request.intent === 'object' && request.intent.mode === 'deterministic-wired'
  const deterministic = streamClass.deterministic || wishesWire
  let missed: NoPlan | undefined
  for (const capability of transports.candidates) {
    const question = { ...asked, streamClass, capability, deterministic }
    const plan = planPath(question)
    if (!plan.found) {
      missed ??= plan
      reasons.push(
        `${capability.transport} rejected: no path for it`,
        ...describeNoPlan(plan, outside, nowMs),
      )
      continue
    }
    reasons.push(`transport ${capability.transport}: ${plan.encryption.scheme}`)
    reasons.push(...describePlan(plan, streamClass.strategy, outside, nowMs))

    const leg = layLeg(question, plan)
    reasons.push(...leg.uplinks.reasons, ...(leg.buffer.reason === null ? [] : [leg.buffer.reason]))
    const budget = describeLatency(leg.latency)
    if (!fitsBudget(leg.latency)) {
      return stop({ code: 'latency_budget', status: 409, message: `latency does not fit: ${budget}` })
    }
    reasons.push(`latency: ${budget}`)
    if (!leg.rate.fits) {
      return stop({ code: 'saturated', status: 503, message: leg.rate.reason, resource: 'path' })
    }
    reasons.push(leg.rate.reason)
    const mode = modeOf(question, plan, leg)
    reasons.push(`mode ${mode.mode}: ${mode.reason}`)
    return { fits: true, decision: grant(question, plan, leg, leg.rate.abr, mode, reasons) }
  }
  if (!missed) return stop(noTransport(transports.reasons))
  return stop(noPath(missed, streamClass), !OF_THE_CLASS.some((each) => missed.rejections.has(each)))
}

/** Hindrances that differ from class to class. */
const OF_THE_CLASS: readonly Rejection[] = ['capacity', 'delay', 'saturated', 'transport', 'deterministic']

function noTransport(rejected: readonly string[]): Refusal {
  const why = rejected.length > 0 ? rejected.join('; ') : 'this end speaks none that is known'
  return { code: 'no_transport', status: 409, message: `no transport meets the policy: ${why}` }
}

function noPath({ full }: NoPlan, { profile }: EffectiveClass): Refusal {
  if (full === null)
    return { code: 'no_path', status: 503, message: 'no path meets the demands', resource: 'path' }
  const { resource, words } = describeFull(full, profile.videoKbps.floor)
  return { code: 'saturated', status: 503, message: `${resource}: ${words}`, resource }
}

function modeOf({ request, facts, outside, deterministic }: PlanQuestion, plan: Plan, leg: Leg): ModeChoice {
  const segments = outside?.facts.segments ?? facts.peer.segments
  return chooseMode({
    deterministic,
    sharedSegment: segments.find((each) => plan.entry.facts.segments.includes(each)) ?? null,
    hopsOutside: outside === null ? 1 : plan.entryAt,
    needsRelay: outside === null && facts.peer.needsRelay,
    moving: typeof request.intent === 'object' && request.intent.moving === true,
    links: leg.uplinks.used.length,
    wirelessLinks: leg.uplinks.used.filter(({ wireless }) => wireless).length,
    fledDeadPath: plan.fledDeadPath,
  })
}

function grant(
  { request, policy, outside, streamClass, capability, deterministic, nowMs }: PlanQuestion,
  plan: Plan,
  leg: Leg,
  abr: GrantedDecision['abr'],
  { mode }: ModeChoice,
  reasons: readonly string[],
): GrantedDecision {
  const ids = plan.path.nodes.map(({ facts }) => facts.nodeId)
  const links = plan.path.links.map(({ facts }) => facts.linkId)
  const [best] = leg.uplinks.used
  // Of parallel links the bond has the say: the one the search came by may have lost its place to another.
  if (best && best.nodeId === ids[1] && !leg.uplinks.used.some(({ linkId }) => linkId === links[0]))
    links[0] = best.linkId
  const backwards = isBackwards(request, outside)
  const nodes = backwards ? ids.toReversed() : ids
  return {
    outcome: streamClass.name === request.class ? 'grant' : 'downgrade',
    class: streamClass.name,
    requested_class: request.class,
    transport: capability.transport,
    encryption: plan.encryption,
    mode,
    path: {
      nodes,
      links: backwards ? links.toReversed() : links,
      strategy: streamClass.strategy.name,
      cost: plan.path.cost,
    },
    overlay: { path: nodes, edge: plan.entry.facts.nodeId, bindings: [...leg.uplinks.bindings] },
    buffer: leg.buffer.buffer,
    pacing: choosePacing(streamClass.profile, abr, deterministic),
    abr,
    latency: leg.latency,
    switched: plan.switched,
    history: leg.bondChanged ? { ...plan.history, switched_at: nowMs } : plan.history,
    probe: [...leg.uplinks.probe],
    expires_at: nowMs + policy.contractSeconds * 1000,
    reasons: [...reasons],
  }
}
