import type { EncryptionChoice, TransportCapability } from '../../common/wire/decision.ts'
import { saturatedResource } from '../capacity.ts'
import { chooseEncryption, type EncryptionRules } from '../encryption.ts'
import { mayPass } from '../tenancy.ts'
import { linkMisfit, MISFIT_WORDS, nodeMisfit } from './determinism.ts'
import type { GraphLink, GraphNode } from './graph.ts'
import type { LinkView } from './link-view.ts'

/** What a path must do, before any cost is looked at. */
export interface PathDemand {
  readonly tenantId: string
  /** Least rate that makes sense for the class, kb/s. The first link of a bond needs only a share of this rate. */
  readonly floorKbps: number
  readonly firstLinkKbps: number
  /** Longest one-way delay of one link that the class tolerates, ms; null for any. */
  readonly maxOneWayMs: number | null
  /** `deterministic-wired`: every link and node fits (`determinism.ts`). */
  readonly deterministic: boolean
  /** What the end outside the overlay speaks, and how that must be encrypted. */
  readonly capability: TransportCapability
  readonly encryption: EncryptionRules
  /** The node whose machine that end is on; null where it is on another machine. */
  readonly hostNodeId: string | null
  /** `in` for media that enters the overlay, `out` for media that leaves it. */
  readonly direction: 'in' | 'out'
  /** Region of hubs, edges and relays; null for any. */
  readonly region: string | null
  /** Nodes and links that the flow uses now. Their load is partly the flow's own and does not count against them. */
  readonly settled: ReadonlySet<GraphNode | GraphLink>
}

/** Why a link or node is out of the question. */
export const REJECTION_WORDS = {
  tenancy: "not the tenant's",
  down: 'the node is down',
  dead: 'every packet is lost',
  capacity: 'too little capacity left',
  ...MISFIT_WORDS,
  delay: 'slower than the class allows',
  region: 'out of the region',
  saturated: 'the node is full',
  role: 'the node passes nothing on',
  transport: 'the node does not speak the transport as demanded',
} as const
export type Rejection = keyof typeof REJECTION_WORDS

export function rejectLink(
  link: GraphLink,
  view: LinkView,
  kbps: number,
  demand: PathDemand,
): Rejection | null {
  if (!mayPass(demand.tenantId, link.facts.tenantId)) return 'tenancy'
  if (view.standing === 'dead') return 'dead'
  const misfit = demand.deterministic ? linkMisfit(link) : null
  if (misfit) return misfit
  // These do not take a link from a flow that already uses it. The link's cost and hysteresis decide instead.
  if (demand.settled.has(link)) return null
  if (demand.maxOneWayMs !== null && view.rttMs / 2 > demand.maxOneWayMs) return 'delay'
  return view.residualKbps < kbps ? 'capacity' : null
}

/** Whether a node may be on the path at all, in the middle or at the end. */
export function rejectNode(node: GraphNode, demand: PathDemand): Rejection | null {
  const { facts } = node
  if (!mayPass(demand.tenantId, facts.tenantId)) return 'tenancy'
  if (!facts.up) return 'down'
  if (facts.role === 'relay' && !speaks(facts.transports, demand)) return 'transport'
  const misfit = demand.deterministic ? nodeMisfit(node) : null
  if (misfit) return misfit
  if (demand.region !== null && facts.role !== 'access-point' && facts.region !== demand.region)
    return 'region'
  if (!demand.settled.has(node) && saturatedResource(facts, demand.floorKbps) !== null) return 'saturated'
  return null
}

/** Roles that pass on what they receive. */
export function passesOn({ facts: { role } }: GraphNode): boolean {
  return role === 'hub' || role === 'edge' || role === 'relay' || role === 'access-point'
}

/** Roles where media enters and leaves the overlay. Between them media travels in the hub's own way. */
export function isOverlay({ facts: { role } }: GraphNode): boolean {
  return role === 'hub' || role === 'edge'
}

/** How the end outside can speak to this hub or edge, encrypted as demanded; null where it can't. */
export function enter(node: GraphNode, demand: PathDemand): EncryptionChoice | null {
  if (node.facts.nodeId === demand.hostNodeId) {
    const answer = chooseEncryption(demand.capability, demand.capability, demand.encryption, true)
    return answer.met ? answer.choice : null
  }
  for (const capability of demand.direction === 'in' ? node.facts.transports : node.facts.serves) {
    const answer = chooseEncryption(demand.capability, capability, demand.encryption)
    if (answer.met) return answer.choice
  }
  return null
}

function speaks(transports: readonly TransportCapability[], { capability }: PathDemand): boolean {
  return transports.some(({ transport }) => transport === capability.transport)
}
