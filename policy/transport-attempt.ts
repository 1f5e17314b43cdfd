import { type GrantedDecision, NO_RELAY_CHOICE, type Refusal } from '../common/wire/decision.ts'
import { choosePacing } from './abr-bounds.ts'
import { describeLatency, fitsBudget } from './admission.ts'
import { type Leg, layLeg } from './leg.ts'
import { chooseMode, type ModeChoice } from './mode-choice.ts'
import type { Rejection } from './paths/constraints.ts'
import { describeFull, describeMisfits, describeNoPlan, describePlan } from './paths/describe.ts'
import { MISFITS, pacedBy } from './paths/determinism.ts'
import { isBackwards } from './paths/ends.ts'
import { type NoPlan, type Plan, planPath } from './paths/plan.ts'
import type { PlanQuestion } from './paths/plan-question.ts'
import { chooseRelays, type RelayTerms } from './relays.ts'

export type TransportAttempt =
  | { readonly fits: true; readonly decision: GrantedDecision }
  | {
      readonly fits: false
      readonly refusal: Refusal
      readonly reasons: readonly string[]
      /** Whether another transport (`transport`), or even another class (`class`), can't do better either. */
      readonly final: 'no' | 'transport' | 'class'
    }

/** Obstacles that differ from class to class. */
const OF_THE_CLASS: readonly Rejection[] = ['capacity', 'delay', 'saturated', 'transport', ...MISFITS]

/** Tries one class over one transport: path, links, latency budget, bitrate, mode. */
export function attemptTransport(question: PlanQuestion): TransportAttempt {
  const { outside, nowMs, streamClass, capability, facts } = question
  const plan = planPath(question)
  if (!plan.found) {
    const others = OF_THE_CLASS.some((each) => plan.rejections.has(each))
    const final = plan.rejections.has('transport') ? 'no' : others ? 'transport' : 'class'
    const reasons = describeNoPlan(plan, outside, nowMs)
    return { fits: false, refusal: noPath(plan, question), reasons, final }
  }
  const reasons = [
    `transport ${capability.transport}: ${plan.encryption.scheme}`,
    ...describePlan(plan, streamClass.strategy, outside, nowMs),
  ]
  const leg = layLeg(question, plan)
  reasons.push(...leg.uplinks.reasons, ...(leg.buffer.reason === null ? [] : [leg.buffer.reason]))
  const { latency, rate } = leg
  if (!fitsBudget(latency) || !rate.fits) {
    const refusal: Refusal = rate.fits
      ? { code: 'latency_budget', status: 409, message: `latency does not fit: ${describeLatency(latency)}` }
      : { code: 'saturated', status: 503, message: rate.reason, resource: 'path' }
    // Hysteresis holds on to a path that is not good enough: better to move than to lower the class.
    const held = facts.current !== null && !plan.switched && !question.unfit
    const moved = held ? attemptTransport({ ...question, unfit: true }) : null
    if (moved?.fits) return moved
    return { fits: false, refusal, reasons, final: 'no' }
  }
  reasons.push(`latency: ${describeLatency(latency)}`, rate.reason)
  if (leg.detour) reasons.push(leg.detour.reason)
  const relays = relaysOf(question, leg)
  reasons.push(...relays.reasons)
  // A lesser class might go directly, and that is not what the policy wants of this flow.
  if (relays.missing) return { fits: false, refusal: NO_RELAY, reasons, final: 'class' }
  const mode = modeOf(question, plan, leg, relays)
  reasons.push(`mode ${mode.mode}: ${mode.reason}`)
  return { fits: true, decision: grant(question, plan, leg, rate.abr, mode, relays, reasons) }
}

const NO_RELAY: Refusal = {
  code: 'no_path',
  status: 503,
  message: 'media may go through a relay only, and there is none',
  resource: 'relay',
}

/** TURN is for WebRTC, and for the detours of RIST senders, which nobody demands. */
function relaysOf(
  { principal, request, streamClass, capability, facts, policy, outside }: PlanQuestion,
  leg: Leg,
): RelayTerms {
  const about = { principal, streamClass: streamClass.name, relays: facts.relays ?? [] }
  if (capability.transport === 'webrtc') {
    const needsRelay = outside === null && facts.peer.needsRelay
    return chooseRelays({ ...about, request, needsRelay, rules: policy })
  }
  if (!leg.detour?.allowed) return NO_RELAYS
  const wishless = { tenant_id: request.tenant_id }
  return chooseRelays({
    ...about,
    request: wishless,
    needsRelay: false,
    rules: { ...policy, relayAlways: [] },
  })
}

/** The ways around a network without UDP: first as the relay's own protocol, then over the hub's HTTPS. */
function detoursOf({ detour }: Leg, { choice }: RelayTerms): GrantedDecision['detours'] {
  if (!detour?.allowed) return []
  const vias = choice.nodes.length > 0 ? (['turn', 'wss'] as const) : (['wss'] as const)
  return vias.map((via) => ({ via, queue_ms: detour.queueMs }))
}

const NO_RELAYS: RelayTerms = {
  choice: NO_RELAY_CHOICE,
  relayed: null,
  missing: false,
  reasons: [],
}

function noPath(plan: NoPlan, { streamClass, deterministic, outside }: PlanQuestion): Refusal {
  const { full, rejections } = plan
  const { floor } = streamClass.profile.videoKbps
  const misfits = deterministic && full === null ? describeMisfits(plan, outside) : ''
  if (misfits !== '') {
    const message = `deterministic-wired is not possible: ${misfits}`
    return { code: 'no_path', status: 503, message, resource: 'path' }
  }
  if (full === null && rejections.has('capacity')) {
    const message = `no link to there has ${floor} kb/s left`
    return { code: 'saturated', status: 503, message, resource: 'path' }
  }
  if (full === null) {
    return { code: 'no_path', status: 503, message: 'no path meets the demands', resource: 'path' }
  }
  const { resource, words } = describeFull(full, floor)
  return { code: 'saturated', status: 503, message: `${resource}: ${words}`, resource }
}

function modeOf(
  { request, facts, outside, deterministic }: PlanQuestion,
  plan: Plan,
  leg: Leg,
  { relayed }: RelayTerms,
): ModeChoice {
  const segments = outside?.facts.segments ?? facts.peer.segments
  const onOneMachine = outside === null && facts.peer.hostNodeId !== null
  return chooseMode({
    deterministic,
    sharedSegment: onOneMachine
      ? 'loopback'
      : (segments.find((each) => plan.entry.facts.segments.includes(each)) ?? null),
    hopsOutside: outside === null ? 1 : plan.entryAt,
    relayed,
    detour: facts.current?.detour ?? null,
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
  relays: RelayTerms,
  reasons: readonly string[],
): GrantedDecision {
  const ids = plan.path.nodes.map(({ facts }) => facts.nodeId)
  const links = plan.path.links.map(({ facts }) => facts.linkId)
  const [best] = leg.uplinks.used
  // Of parallel links the bond decides: the link of the search may have lost its place to another link.
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
    relay: relays.choice,
    path: {
      nodes,
      links: backwards ? links.toReversed() : links,
      strategy: streamClass.strategy.name,
      cost: plan.path.cost,
    },
    overlay: { path: nodes, edge: plan.entry.facts.nodeId, bindings: [...leg.uplinks.bindings] },
    buffer: leg.buffer.buffer,
    pacing: choosePacing(
      streamClass.profile,
      abr,
      deterministic ? pacedBy(leg.uplinks.used.map(({ timing = null }) => timing)) : null,
    ),
    abr,
    latency: leg.latency,
    detours: detoursOf(leg, relays),
    switched: plan.switched,
    history: leg.bondChanged ? { ...plan.history, switched_at: nowMs } : plan.history,
    spare: [...leg.uplinks.spare],
    probe: [...leg.uplinks.probe],
    expires_at: nowMs + policy.contractSeconds * 1000,
    reasons: [...reasons],
  }
}
