import type { PeerFacts } from '../facts.ts'
import type { GraphNode } from './graph.ts'
import { ASSUMED, type LinkView, newLinkView } from './link-view.ts'

/** RTT assumed between an end and a node of its own region, ms. */
const REGIONAL_RTT_MS = 30

/** The way between a hub or edge and an end that is no node, from the end's measurements or from assumptions. */
export function lastMile(peer: PeerFacts, { facts }: GraphNode): LinkView {
  const measured = peer.reach.find(({ nodeId }) => nodeId === facts.nodeId)
  if (measured) return mile(measured)
  return assumed(peer.region !== null && peer.region === facts.region ? REGIONAL_RTT_MS : ASSUMED.rttMs)
}

/** Every last mile that `lastMile` may answer with for this end. */
export function lastMiles(peer: PeerFacts): readonly LinkView[] {
  return [
    ...peer.reach.map(mile),
    assumed(ASSUMED.rttMs),
    ...(peer.region === null ? [] : [assumed(REGIONAL_RTT_MS)]),
  ]
}

function mile({ rttMs, jitterMs, loss }: PeerFacts['reach'][number]): LinkView {
  return { ...assumed(rttMs), standing: 'serving', weight: 1, jitterMs, loss }
}

function assumed(rttMs: number): LinkView {
  return { ...newLinkView(), rttMs, residualKbps: ASSUMED.capacityKbps }
}
