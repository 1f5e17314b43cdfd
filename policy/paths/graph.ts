import type { TransportCapability } from '../../common/wire/decision.ts'
import type { NodeRole } from '../../common/wire/ids.ts'
import { type LinkEvidence, type LinkObservation, NO_EVIDENCE, observe } from '../evidence.ts'

/** How full a node is and how full it may become. */
export interface NodeLoad {
  /** Busiest worker, share of its core, 0 to 1. */
  readonly workerCpu: number
  readonly flows: number
  readonly kbps: number
}

/** What the directory knows of a node. */
export interface NodeFacts {
  readonly nodeId: string
  /** null for nodes that the hub shares with every tenant. */
  readonly tenantId: string | null
  readonly role: NodeRole
  readonly up: boolean
  readonly region: string | null
  /** Names of the network segments (L2 or L3) of this node. Nodes that share a segment reach each other directly. */
  readonly segments: readonly string[]
  /** Transports of the node: of a sender or player at its own end, of a hub or edge towards its senders. */
  readonly transports: readonly TransportCapability[]
  /** What viewers can get from a hub or edge. */
  readonly serves: readonly TransportCapability[]
  /** IEEE 1588 clock, and time-sensitive networking on its ports. */
  readonly ptp: boolean
  readonly tsn: boolean
  /** The node tells of its ports, whose clocks and schedules count instead (`LinkFacts.timing`). */
  readonly timed?: boolean
  /** How well the node has kept its word, 0 (never) to 1. */
  readonly reputation: number
  readonly ceilings: { readonly maxFlows: number | null; readonly maxKbps: number | null }
  readonly load: NodeLoad
}

/** What a node tells of the port where one of its links starts. */
export interface PortTiming {
  /** The port stamps packets by a clock of its own. */
  readonly hardware: boolean
  /** That clock follows its master now. */
  readonly synchronised: boolean
  /** The port sends by a schedule: its queueing discipline is taprio, mqprio or etf. */
  readonly scheduled: boolean
  /** Who can spread packets there: the kernel by their times of departure, or by a rate, or only the sender itself. */
  readonly pacing: 'txtime' | 'fq' | 'agent'
}

/** What the directory knows of a link. Media may pass a link both ways. */
export interface LinkFacts {
  /** Unique among the links of `from`. */
  readonly linkId: string
  readonly tenantId: string | null
  readonly from: string
  readonly to: string
  readonly medium: 'wired' | 'wifi' | 'cellular' | 'satellite' | 'overlay'
  readonly tsn: boolean
  /** What the node at `from` tells of its port; null where nobody tells. */
  readonly timing?: PortTiming | null
  /** Capacity, kb/s; null where nobody declared or measured it. */
  readonly capacityKbps: number | null
}

export interface GraphLink {
  readonly facts: LinkFacts
  /** Newest report, null before the first. */
  readonly metrics: LinkObservation | null
  readonly evidence: LinkEvidence
  /** Slot below the snapshot's `linkSlots`, for per-decision arrays. */
  readonly index: number
  readonly from: GraphNode
  readonly to: GraphNode
}

export interface Arc {
  readonly link: GraphLink
  readonly to: GraphNode
  /** Indexes of both, kept here because a search looks at many arcs and at few of their links and nodes. */
  readonly linkIndex: number
  readonly toIndex: number
}

/** An order of arcs that does not depend on the order in which they were added. */
export function byLinkId(left: Arc, right: Arc): number {
  const [a, b] = [left.link.facts.linkId, right.link.facts.linkId]
  return a === b ? 0 : a < b ? -1 : 1
}

export interface GraphNode {
  readonly facts: NodeFacts
  /** Slot below the snapshot's `nodeSlots`. */
  readonly index: number
  /** Every link that touches the node, either way round. */
  readonly arcs: readonly Arc[]
}

/**
 * The topology as a decision reads it. The topology must not change during a decision. A decision never waits, so the
 * live `TopologyGraph` serves as a snapshot.
 */
export interface TopologySnapshot {
  readonly nodeSlots: number
  readonly linkSlots: number
  /** A node of the tenant, or else a node that all tenants share. */
  node(tenantId: string | null, nodeId: string): GraphNode | undefined
  /** Nodes with the role `hub`, in the order they came. */
  hubs(): Iterable<GraphNode>
}

type MutableNode = { facts: NodeFacts; readonly index: number; arcs: Arc[] }
type MutableLink = {
  facts: LinkFacts
  metrics: LinkObservation | null
  evidence: LinkEvidence
  readonly index: number
  readonly from: MutableNode
  readonly to: MutableNode
}

/** No id holds a `/`, so keys of different tenants never collide. */
const nodeKey = (tenantId: string | null, nodeId: string) => `${tenantId ?? ''}/${nodeId}`
const linkKey = (tenantId: string | null, { facts }: GraphNode, linkId: string) =>
  `${tenantId ?? ''}/${nodeKey(facts.tenantId, facts.nodeId)}/${linkId}`

/** The topology, kept up to date piece by piece. A change costs no more than the links of one node. */
export class TopologyGraph implements TopologySnapshot {
  readonly #nodes = new Map<string, MutableNode>()
  readonly #links = new Map<string, MutableLink>()
  readonly #hubs = new Set<MutableNode>()
  readonly #freeNodes: number[] = []
  readonly #freeLinks: number[] = []
  #nodeSlots = 0
  #linkSlots = 0

  get nodeSlots(): number {
    return this.#nodeSlots
  }

  get linkSlots(): number {
    return this.#linkSlots
  }

  hubs(): Iterable<GraphNode> {
    return this.#hubs
  }

  node(tenantId: string | null, nodeId: string): GraphNode | undefined {
    return this.#find(tenantId, nodeId)
  }

  /**
   * @param tenantId the link's own tenant, null for a shared link
   * @param from the node where the link starts
   */
  link(tenantId: string | null, from: string, linkId: string): GraphLink | undefined {
    return this.#findLink(tenantId, from, linkId)?.link
  }

  /** Adds a node or replaces what is known of it; its links stay. */
  putNode(facts: NodeFacts): void {
    const key = nodeKey(facts.tenantId, facts.nodeId)
    let node = this.#nodes.get(key)
    if (node) node.facts = facts
    else {
      node = { facts, index: this.#freeNodes.pop() ?? this.#nodeSlots++, arcs: [] }
      this.#nodes.set(key, node)
    }
    if (facts.role === 'hub') this.#hubs.add(node)
    else this.#hubs.delete(node)
  }

  /** Removes a node and its links. */
  removeNode(tenantId: string | null, nodeId: string): void {
    const node = this.#nodes.get(nodeKey(tenantId, nodeId))
    if (!node) return
    for (const { link } of node.arcs) {
      this.#drop(linkKey(link.facts.tenantId, link.from, link.facts.linkId))
    }
    this.#nodes.delete(nodeKey(tenantId, nodeId))
    this.#hubs.delete(node)
    this.#freeNodes.push(node.index)
  }

  /**
   * Adds a link or replaces what is known of it. The evidence stays unless the link now leads elsewhere.
   * @returns false where one of its ends is unknown; then nothing changed
   */
  putLink(facts: LinkFacts): boolean {
    const [from, to] = [this.#find(facts.tenantId, facts.from), this.#find(facts.tenantId, facts.to)]
    if (!from || !to || from === to) return false
    const key = linkKey(facts.tenantId, from, facts.linkId)
    const known = this.#links.get(key)
    if (known?.to === to) {
      known.facts = facts
      return true
    }
    this.#drop(key)
    const index = this.#freeLinks.pop() ?? this.#linkSlots++
    const link = { facts, metrics: null, evidence: NO_EVIDENCE, index, from, to }
    this.#links.set(key, link)
    from.arcs.push({ link, to, linkIndex: index, toIndex: to.index })
    to.arcs.push({ link, to: from, linkIndex: index, toIndex: from.index })
    return true
  }

  removeLink(tenantId: string | null, from: string, linkId: string): void {
    const found = this.#findLink(tenantId, from, linkId)
    if (found) this.#drop(found.key)
  }

  /** Takes in a report. @returns false where the link is unknown */
  observe(tenantId: string | null, from: string, linkId: string, report: LinkObservation): boolean {
    const found = this.#findLink(tenantId, from, linkId)
    if (!found) return false
    const { link } = found
    link.evidence = observe(link.evidence, report)
    if (link.metrics === null || report.at >= link.metrics.at) link.metrics = report
    return true
  }

  /**
   * Restores what was known of a link before a restart. Newer evidence stays.
   * @returns false where the link is unknown
   */
  restore(
    tenantId: string | null,
    from: string,
    linkId: string,
    known: Pick<GraphLink, 'metrics' | 'evidence'>,
  ): boolean {
    const found = this.#findLink(tenantId, from, linkId)
    if (!found) return false
    const { link } = found
    if (link.evidence.measuredAt !== null) return true
    link.evidence = known.evidence
    link.metrics = known.metrics
    return true
  }

  /** Every node and link, for those who list or count them. */
  nodes(): Iterable<GraphNode> {
    return this.#nodes.values()
  }

  links(): Iterable<GraphLink> {
    return this.#links.values()
  }

  #find(tenantId: string | null, nodeId: string): MutableNode | undefined {
    const own = tenantId === null ? undefined : this.#nodes.get(nodeKey(tenantId, nodeId))
    return own ?? this.#nodes.get(nodeKey(null, nodeId))
  }

  #findLink(tenantId: string | null, from: string, linkId: string) {
    const start = this.#find(tenantId, from)
    const key = start && linkKey(tenantId, start, linkId)
    const link = key === undefined ? undefined : this.#links.get(key)
    return key !== undefined && link ? { key, link } : undefined
  }

  #drop(key: string): void {
    const link = this.#links.get(key)
    if (!link) return
    this.#links.delete(key)
    for (const end of [link.from, link.to]) end.arcs = end.arcs.filter((arc) => arc.link !== link)
    this.#freeLinks.push(link.index)
  }
}
