import type { GraphLink, GraphNode, PortTiming } from './graph.ts'

/*
 * `deterministic-wired`: media keeps to a schedule, on wires whose switches keep to it too (TSN), by clocks that agree
 * (IEEE 1588). What a node tells of its ports is believed before what somebody declared of it.
 */

/** Why a link or node can't be part of it, in words. */
export const MISFIT_WORDS = {
  not_wired: 'it is not wired',
  no_tsn: 'it has no TSN',
  no_port_clock: 'its port has no PTP clock',
  clock_lost: 'the PTP clock of its port is not synchronised',
  node_without_ptp: 'the node has no PTP clock',
  node_without_tsn: 'the node has no TSN',
} as const
export type Misfit = keyof typeof MISFIT_WORDS
export const isOfNode = (misfit: Misfit): boolean => misfit.startsWith('node_')
export const MISFITS = Object.keys(MISFIT_WORDS) as readonly Misfit[]

export function linkMisfit({ facts: { medium, tsn, timing }, from }: GraphLink): Misfit | null {
  if (medium !== 'wired') return 'not_wired'
  if (!timing && from.facts.timed) return 'no_port_clock'
  if (timing && !timing.hardware) return 'no_port_clock'
  if (timing && !timing.synchronised) return 'clock_lost'
  // Of a port that sends at any time, the operator's word for its node's network counts.
  return tsn || timing?.scheduled || (timing && from.facts.tsn) ? null : 'no_tsn'
}

/** Of a node that tells about its ports, each link is asked for itself. */
export function nodeMisfit({ facts: { ptp, tsn, timed } }: GraphNode): Misfit | null {
  if (timed) return null
  if (!ptp) return 'node_without_ptp'
  return tsn ? null : 'node_without_tsn'
}

/** Who spreads the packets of a flow over these links: what every one of them can do. */
export function pacedBy(timings: readonly (PortTiming | null)[]): PortTiming['pacing'] {
  const [first] = timings
  return first && timings.every((each) => each?.pacing === first.pacing) ? first.pacing : 'agent'
}
