import type { Binding } from '../../../common/wire/flow-contract.ts'
import { type NodeEntry, nodeEntrySchema } from '../../../common/wire/topology.ts'
import type { LinkObservation } from '../../../policy/evidence.ts'
import { Topology } from '../../../server/topology/graph.ts'
import type { WatchedFlow } from '../../../server/topology/watched-flow.ts'
import { RIST, T0, WEBRTC } from '../../policy/makers.ts'

export { T0 }
export const TENANT = 'tv1'

type EntryInput = Parameters<typeof nodeEntrySchema.parse>[0] & object

export function entry(role: NodeEntry['role'], more: EntryInput = {}): NodeEntry {
  const serves = role === 'hub' || role === 'edge' ? [WEBRTC] : []
  return nodeEntrySchema.parse({ role, transports: [RIST, WEBRTC], serves, created_at: T0, ...more })
}

export function wire(linkId: string, to: string, more: object = {}) {
  return { link_id: linkId, to, medium: 'cellular', ...more }
}

/** A report of a link that delivers. */
export function good(at: number, more: Partial<LinkObservation> = {}): LinkObservation {
  return {
    at,
    rttMs: 20,
    jitterMs: 1,
    loss: 0,
    bitrateKbps: 3000,
    queueDepth: 0,
    sentPackets: 100,
    deliveredPackets: 100,
    ...more,
  }
}

/** Packets leave and none arrives. */
export function dead(at: number): LinkObservation {
  return good(at, { deliveredPackets: 0, loss: 1 })
}

export function flow(more: Partial<WatchedFlow> = {}): WatchedFlow {
  const bindings: Binding[] = [{ link_id: 'lte-1', node_id: 'hub-1', weight: 0 }]
  return {
    contractId: 'c1',
    tenantId: TENANT,
    streamId: 'cam-1',
    streamClass: 'focus',
    nodes: ['sender-1', 'hub-1'],
    links: ['lte-1'],
    bindings,
    deterministic: false,
    kbps: 8000,
    budgetMs: 200,
    estimateMs: 150,
    ...more,
  }
}

/** What a viewer of that flow's stream sees of it. */
export const watchedBy = (viewer: string) =>
  ({ tenantId: TENANT, streamId: 'cam-1', streamClass: 'focus', viewer }) as const

/** A sender with two links, two edges of the hub's, and the hub: everything up at `nowMs`. */
export function world(nowMs = T0): Topology {
  const topology = new Topology()
  topology.upsert(null, 'hub-1', entry('hub'), nowMs)
  topology.upsert(null, 'edge-1', entry('edge', { links: [wire('m1', 'hub-1')] }), nowMs)
  topology.upsert(null, 'edge-2', entry('edge', { links: [wire('m2', 'hub-1')] }), nowMs)
  topology.upsert(TENANT, 'sender-1', entry('sender', { links: [wire('lte-1', 'hub-1')] }), nowMs)
  for (const nodeId of ['hub-1', 'edge-1', 'edge-2']) topology.hold(null, nodeId, nowMs)
  topology.seen(TENANT, 'sender-1', nowMs)
  return topology
}

/** A clock that tests move. */
export class Clock {
  ms: number

  constructor(ms = T0) {
    this.ms = ms
  }

  readonly now = () => this.ms

  /** Moves on in steps, and calls `each` after every step. */
  run(forMs: number, stepMs: number, each: (nowMs: number) => void): void {
    for (const end = this.ms + forMs; this.ms < end; ) {
      this.ms += stepMs
      each(this.ms)
    }
  }
}
