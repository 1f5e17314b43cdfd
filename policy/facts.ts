import type { SwitchHistory, TransportCapability } from '../common/wire/decision.ts'
import type { Binding, Latency, LatencyStage } from '../common/wire/flow-contract.ts'
import type { AnonymousUsage, Saturation, TenantUsage } from './capacity.ts'
import type { TopologySnapshot } from './paths/graph.ts'
import type { RelayFacts } from './relays.ts'

/** The stream a request is about, as the registry has it. */
export interface StreamFacts {
  readonly tenantId: string
  readonly streamId: string
  /** The hub or edge on which the stream's lane lives; null while none is chosen. */
  readonly homeNodeId: string | null
  /** Latency of the stream's way in, from its contract; null while nobody publishes. */
  readonly upstream: Latency | null
}

/** An end that is no node of the directory: a browser or a player. */
export interface PeerFacts {
  readonly transports: readonly TransportCapability[]
  readonly segments: readonly string[]
  readonly region: string | null
  /** What the peer measured to hubs and edges, if anything. */
  readonly reach: readonly {
    readonly nodeId: string
    readonly rttMs: number
    readonly jitterMs: number
    readonly loss: number
  }[]
  /** Direct paths to the peer failed: its media goes through a relay. */
  readonly needsRelay: boolean
  /** It is a program on the machine of this node, whose loopback its media does not leave; null for everybody else. */
  readonly hostNodeId: string | null
}

/** A browser of which nothing else is known. */
export const BROWSER: PeerFacts = {
  transports: [{ transport: 'webrtc', aes_bits: 256 }],
  segments: [],
  region: null,
  reach: [],
  needsRelay: false,
  hostNodeId: null,
}

/** A program of a node's own, on its machine: a recorder, or what sends a stream on. It is nobody's viewer. */
export function programOn(nodeId: string): PeerFacts {
  return {
    ...BROWSER,
    transports: [{ transport: 'rtp', keying: 'none', aes_bits: 128 }],
    reach: [{ nodeId, rttMs: 0, jitterMs: 0, loss: 0 }],
    hostNodeId: nodeId,
  }
}

/** What a running flow already uses. */
export interface CurrentFlow {
  /** As `path.nodes` and `path.links` of the decision that made it. */
  readonly nodes: readonly string[]
  readonly links: readonly string[]
  readonly bindings: readonly Binding[]
  /** What the flow sends now, kb/s. */
  readonly kbps: number
  readonly history: SwitchHistory
  /** Why links of the flow take a detour, in words; null or left out where all use UDP. */
  readonly detour?: string | null
}

/** Connections of the hub: all that are taken, and those that only viewers without a token use. */
export interface ConnectionUsage {
  readonly used: number
  readonly anonymous: number
  readonly most: number
}

/** Everything that a decision knows beside the request and the policy. */
export interface DecisionFacts {
  readonly topology: TopologySnapshot
  /** null where the tenant has no such stream (yet). */
  readonly stream: StreamFacts | null
  /** The end that asks, where that end is no node. */
  readonly peer: PeerFacts
  readonly usage: TenantUsage
  /** A viewer that watches now asks for its next contract: the viewer has its place already. */
  readonly renews?: boolean
  /** Usage of viewers without a token, for a subscribe without a token; left out for everybody else. */
  readonly anonymous?: AnonymousUsage | undefined
  /** The hub's viewer connections, for a subscribe; left out where nobody counts them. */
  readonly connections?: ConnectionUsage | undefined
  /** What keeps the hub's media workers from taking one more viewer or stream; null while there is room. */
  readonly workersFull: Saturation | null
  /** TURN relays that the hub knows of, its own included; left out where it has none. */
  readonly relays?: readonly RelayFacts[]
  /** Stages measured on this flow, ms. */
  readonly measured: Partial<Readonly<Record<LatencyStage, number>>>
  /** null for a new flow. */
  readonly current: CurrentFlow | null
}
