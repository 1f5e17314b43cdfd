import { linkCapacityKbps } from '../capacity.ts'
import type { Uplink } from '../uplinks.ts'
import { type Arc, byLinkId, type GraphLink } from './graph.ts'
import { delayOf } from './link-delay.ts'
import { newLinkView, readLink } from './link-view.ts'
import type { Plan } from './plan.ts'
import type { PlanQuestion } from './plan-question.ts'

const WIRELESS: ReadonlySet<string> = new Set(['wifi', 'cellular', 'satellite'])

/**
 * Every link from the end outside to the hub or edge of its path: straight, over the path's own way, or over an access
 * point beside it.
 */
export function outerLinks({ request, facts, nowMs }: PlanQuestion, plan: Plan): Uplink[] {
  const { nodes } = plan.path
  const [source, first] = nodes
  if (!source || !plan.bonded) return []
  const bound = new Set(facts.current?.bindings.map(({ link_id }) => link_id))
  const view = newLinkView()
  return source.arcs.toSorted(byLinkId).flatMap((arc) => {
    if (request.avoid_links.includes(arc.link.facts.linkId)) return []
    if (arc.to !== plan.entry && arc.to !== first && !leadsOn(plan, arc)) return []
    const cost = plan.costs.step(source, arc, 'any', true)
    if (cost === Number.POSITIVE_INFINITY) return []
    const { standing, loss, weight } = readLink(arc.link, nowMs, view)
    const { linkId } = arc.link.facts
    const delay = delayOf(arc.link, nowMs)
    const own = bound.has(linkId) ? (facts.current?.kbps ?? 0) : 0
    return {
      linkId,
      nodeId: arc.to.facts.nodeId,
      standing,
      cost,
      rttMs: delay.rttMs,
      loss: weight > 0 ? loss : 0,
      weight,
      kbps: linkCapacityKbps(arc.link, view, own),
      wireless: WIRELESS.has(arc.link.facts.medium),
      measured: delay.measured,
      bound: bound.has(linkId),
      timing: arc.link.facts.timing ?? null,
    }
  })
}

/** The links of a path behind the end's own links: between access point and edge, and between edges. */
export function innerLinks({ path, bonded }: Plan): readonly GraphLink[] {
  return path.links.slice(bonded ? 1 : 0)
}

function leadsOn({ entry, costs }: Plan, { to }: Arc): boolean {
  if (to.facts.role !== 'access-point') return false
  return to.arcs.some((arc) => arc.to === entry && isOpen(costs.step(to, arc, 'any', false)))
}

const isOpen = (cost: number): boolean => cost !== Number.POSITIVE_INFINITY
