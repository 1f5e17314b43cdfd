import type { NodeEntry } from '../../common/wire/topology.ts'
import type { NodeFacts, NodeLoad, PortTiming } from '../../policy/paths/graph.ts'
import { type Reputation, reputationAt } from './reputation.ts'

/** A link that is known only from reports. */
export interface LearnedLink {
  readonly linkId: string
  readonly to: string
  /** Time of the newest report, Unix ms. */
  reportedAt: number
}

/** What the live topology keeps of a node beside the graph. Times are Unix milliseconds. */
export interface NodeRecord {
  /** null for nodes that the hub shares with every tenant. */
  readonly tenantId: string | null
  readonly nodeId: string
  entry: NodeEntry
  up: boolean
  lastSeen: number | null
  /** The node counts as seen at this time: a node that was up before a restart gets time to come back. */
  graceFrom: number
  /** Number of connections that prove, without reports, that the node lives. */
  holds: number
  load: NodeLoad
  reputation: Reputation
  readonly learned: Map<string, LearnedLink>
  /** What the node tells of the ports of its links; null where it tells nothing. */
  ports: ReadonlyMap<string, PortTiming> | null
  /** Something that outlives a restart has changed since the last write. */
  dirty: boolean
}

export const IDLE: NodeLoad = { workerCpu: 0, flows: 0, kbps: 0 }

export function newRecord(
  tenantId: string | null,
  nodeId: string,
  entry: NodeEntry,
  nowMs: number,
): NodeRecord {
  return {
    tenantId,
    nodeId,
    entry,
    up: false,
    lastSeen: null,
    graceFrom: Number.NEGATIVE_INFINITY,
    holds: 0,
    load: IDLE,
    reputation: { value: 1, at: nowMs },
    learned: new Map(),
    ports: null,
    dirty: false,
  }
}

/** The node's facts for policy. */
export function factsOf(record: NodeRecord, nowMs: number): NodeFacts {
  const { tenantId, nodeId, entry, up, load, reputation } = record
  return {
    nodeId,
    tenantId,
    role: entry.role,
    up,
    region: entry.region,
    segments: entry.segments,
    transports: entry.transports,
    serves: entry.serves,
    ptp: entry.ptp,
    tsn: entry.tsn,
    timed: record.ports !== null,
    reputation: reputationAt(reputation, nowMs),
    // A draining node has no room for new flows.
    ceilings: { maxFlows: entry.draining ? 0 : entry.max_flows, maxKbps: entry.max_kbps },
    load,
  }
}
