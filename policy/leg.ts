import type { DecisionRequest } from '../common/wire/decision.ts'
import type { Latency } from '../common/wire/flow-contract.ts'
import { chooseAbr, type RateAnswer } from './abr-bounds.ts'
import { estimateLatency, type Stage } from './admission.ts'
import { type BufferChoice, chooseBuffer } from './buffer.ts'
import { linkCapacityKbps } from './capacity.ts'
import { type DetourAnswer, judgeDetour } from './detours.ts'
import { lastMile } from './paths/last-mile.ts'

import { DEFAULT_RTT_MS, delayOf } from './paths/link-delay.ts'
import { newLinkView, readLink } from './paths/link-view.ts'
import { innerLinks, outerLinks } from './paths/outer-links.ts'
import type { Plan } from './paths/plan.ts'
import type { PlanQuestion } from './paths/plan-question.ts'
import { bondOf, chooseUplinks, type UplinkChoice } from './uplinks.ts'

/** How a flow runs over its path: the links, the buffer, the latency and the bitrate. */
export interface Leg {
  readonly uplinks: UplinkChoice
  /** A link lost its place in the bond although it still serves. That counts as a switch. */
  readonly bondChanged: boolean
  readonly buffer: BufferChoice
  readonly latency: Latency
  readonly rate: RateAnswer
  /** Whether a RIST sender may take a detour over TCP; null for other flows. */
  readonly detour: DetourAnswer | null
}

interface Outer {
  readonly rttMs: number
  readonly loss: number
  readonly measured: boolean
  /** null where nobody knows. */
  readonly kbps: number | null
}

/** Works out a flow's numbers once its path and transport are chosen. */
export function layLeg(question: PlanQuestion, plan: Plan): Leg {
  const { facts, streamClass, outside, capability } = question
  const { profile } = streamClass
  const uplinks = chooseUplinks(
    outerLinks(question, plan),
    profile.uplinks,
    profile.ristBuffer.maxMs,
    mayChangeBond(question),
  )
  const outer = outerOf(question, plan, uplinks)
  const buffer = chooseBuffer(capability.transport, profile, outer.rttMs, outer.loss)
  const entering = question.request.action !== 'subscribe'
  const latency = estimateLatency({
    profile,
    measured: facts.measured,
    upstream: entering ? null : (facts.stream?.upstream ?? null),
    bufferMs: buffer.delayMs,
    oneWay: oneWay(outer, plan, question.nowMs),
    passes: plan.path.nodes.length - 1 - (outside === null ? 0 : plan.entryAt),
    entering,
  })
  const rate = chooseAbr(profile, {
    capacityKbps: capacityOf(question, plan, outer),
    wantedKbps: wantedKbps(question.request),
    cautious: uplinks.used.some(({ standing }) => standing === 'probing' || standing === 'silent'),
  })
  const detour =
    entering && capability.transport === 'rist' ? judgeDetour({ profile, latency, rttMs: outer.rttMs }) : null
  return { uplinks, bondChanged: bondChanged(question, plan, uplinks), buffer, latency, rate, detour }
}

/** The stretch between the end outside and the hub or edge to which that end speaks. */
function outerOf({ facts, streamClass }: PlanQuestion, plan: Plan, { used }: UplinkChoice): Outer {
  if (used.length > 0) {
    return { ...bondOf(used, streamClass.profile.uplinks), measured: used.every(({ measured }) => measured) }
  }
  if (plan.path.nodes.length > 1 && plan.path.links.length === 0) {
    return { rttMs: DEFAULT_RTT_MS, loss: 0, measured: false, kbps: null }
  }
  const { rttMs, loss, weight } = lastMile(facts.peer, plan.entry)
  return {
    rttMs: weight > 0 ? rttMs : Math.min(rttMs, DEFAULT_RTT_MS),
    loss,
    measured: weight > 0,
    kbps: null,
  }
}

function oneWay(outer: Outer, plan: Plan, nowMs: number): Stage {
  const inner = innerLinks(plan).map((link) => delayOf(link, nowMs))
  const ms = [outer, ...inner].reduce((sum, { rttMs }) => sum + rttMs / 2, 0)
  return { ms, source: [outer, ...inner].every(({ measured }) => measured) ? 'measured' : 'default' }
}

/** The least of the capacities of bond, links behind the bond, entry node and tenant's quota, kb/s. */
function capacityOf(
  { request, facts, policy, nowMs }: PlanQuestion,
  plan: Plan,
  outer: Outer,
): number | null {
  const own = facts.current?.kbps ?? 0
  const view = newLinkView()
  const inner = innerLinks(plan).flatMap(
    (link) =>
      linkCapacityKbps(
        link,
        readLink(link, nowMs, view),
        facts.current?.links.includes(link.facts.linkId) ? own : 0,
      ) ?? [],
  )
  const { ceilings, load } = plan.entry.facts
  const enters = facts.current?.nodes.includes(plan.entry.facts.nodeId) ? own : 0
  const limits = [
    ...(outer.kbps === null ? [] : [outer.kbps]),
    ...inner,
    ...(ceilings.maxKbps === null ? [] : [Math.max(0, ceilings.maxKbps - load.kbps + enters)]),
    ...(request.action === 'subscribe' || policy.ceilings.uplinkKbps === null
      ? []
      : [Math.max(0, policy.ceilings.uplinkKbps - facts.usage.uplinkKbps)]),
  ]
  return limits.length === 0 ? null : Math.min(...limits)
}

function wantedKbps({ intent, preference }: DecisionRequest): number | null {
  const wishes = [intent, preference].flatMap((wish) =>
    typeof wish === 'object' ? (wish.max_kbps ?? []) : [],
  )
  return wishes.length === 0 ? null : Math.min(...wishes)
}

/** The links of a bond stay as long as the path stays. */
function mayChangeBond({ facts, request, policy, nowMs }: PlanQuestion): boolean {
  const switchedAt = facts.current?.history.switched_at ?? null
  return request.by_hand || switchedAt === null || nowMs - switchedAt >= policy.switching.minIntervalMs
}

function bondChanged(question: PlanQuestion, plan: Plan, { used }: UplinkChoice): boolean {
  const { current } = question.facts
  if (!current || plan.switched || question.streamClass.profile.uplinks !== 'duplicate') return false
  const kept = new Set(used.map(({ linkId }) => linkId))
  return outerLinks(question, plan).some(
    ({ linkId, bound, standing }) => bound && standing === 'serving' && !kept.has(linkId),
  )
}
