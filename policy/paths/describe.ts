import { describeSaturation, saturatedResource } from '../capacity.ts'
import { describeStanding } from '../health.ts'
import { mayPass } from '../tenancy.ts'
import { type PathDemand, REJECTION_WORDS, type Rejection, rejectLink } from './constraints.ts'
import { isOfNode, linkMisfit, MISFIT_WORDS, MISFITS } from './determinism.ts'
import { byLinkId, type GraphNode } from './graph.ts'
import { newLinkView, readLink } from './link-view.ts'
import type { NoPlan, Plan } from './plan.ts'
import type { FoundPath } from './search.ts'
import type { CostStrategy } from './strategies.ts'

/** Most links of one node that are named singly. Of nodes with more links only numbers are given. */
const TOLD_APART = 8

/** What was chosen and what was rejected, in words. */
export function describePlan(
  plan: Plan,
  strategy: CostStrategy,
  outside: GraphNode | null,
  nowMs: number,
): string[] {
  const chosen = `path ${nodesOf(plan.path)} by ${strategy.name}, cost ${round(plan.path.cost)}`
  const assumed = plan.path.nodes.length > 1 && plan.path.links.length === 0
  return [
    assumed ? `${chosen}: no link is known yet, a direct one is assumed` : chosen,
    ...(plan.runnerUp ? [`path ${nodesOf(plan.runnerUp)} rejected: cost ${round(plan.runnerUp.cost)}`] : []),
    ...describeOwnLinks(outside, plan.demand, nowMs),
    ...plan.reasons,
  ]
}

/** Why there is no path, in words. */
export function describeNoPlan(answer: NoPlan, outside: GraphNode | null, nowMs: number): string[] {
  return [...describeOwnLinks(outside, answer.demand, nowMs), ...describeRejections(answer.rejections)]
}

/** What is full at a node that would have done, for a refusal; null where the refusal had another reason. */
export function describeFull(node: GraphNode, kbps: number): { resource: string; words: string } {
  const resource = saturatedResource(node.facts, kbps) ?? 'node_flows'
  return { resource, words: describeSaturation(node.facts, resource) }
}

/** The end's own links that are not simply good. */
function describeOwnLinks(outside: GraphNode | null, demand: PathDemand, nowMs: number): string[] {
  if (outside === null) return []
  const view = newLinkView()
  return outside.arcs
    .toSorted(byLinkId)
    .flatMap(({ link }) => {
      const { linkId } = link.facts
      const rejection = rejectLink(link, readLink(link, nowMs, view), demand.firstLinkKbps, demand)
      if (rejection === 'tenancy') return []
      if (view.standing !== 'serving') return `link ${linkId} is ${describeStanding(link.evidence, nowMs)}`
      return rejection === null ? [] : `link ${linkId} left out: ${REJECTION_WORDS[rejection]}`
    })
    .slice(0, TOLD_APART)
}

/** Why nothing is left for `deterministic-wired`: nodes that can't, and the end's own links by their names. */
export function describeMisfits({ rejections, demand }: NoPlan, outside: GraphNode | null): string {
  const own = (outside?.arcs ?? []).toSorted(byLinkId).flatMap(({ link }) => {
    const misfit = mayPass(demand.tenantId, link.facts.tenantId) ? linkMisfit(link) : null
    return misfit ? `link ${link.facts.linkId}: ${MISFIT_WORDS[misfit]}` : []
  })
  const others = MISFITS.filter((misfit) => rejections.has(misfit) && (own.length === 0 || isOfNode(misfit)))
  return [...others.map((misfit) => MISFIT_WORDS[misfit]), ...own].slice(0, TOLD_APART).join('; ')
}

function describeRejections(rejections: ReadonlyMap<Rejection, number>): string[] {
  const words = [...rejections]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([rejection, count]) => `${count} x ${REJECTION_WORDS[rejection]}`)
  return words.length === 0 ? [] : [`out of the question: ${words.join(', ')}`]
}

const nodesOf = ({ nodes }: FoundPath): string => nodes.map(({ facts }) => facts.nodeId).join(' > ')

const round = (cost: number): number => Number(cost.toPrecision(3))
