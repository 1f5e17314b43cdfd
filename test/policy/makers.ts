import type { DecisionRequest, Principal, TransportCapability } from '../../common/wire/decision.ts'
import type { PolicyDocument } from '../../common/wire/policy-document.ts'
import type { Question } from '../../policy/decide.ts'
import { decide } from '../../policy/decide.ts'
import { effectivePolicy } from '../../policy/effective.ts'
import type { LinkObservation } from '../../policy/evidence.ts'
import { BROWSER, type DecisionFacts } from '../../policy/facts.ts'
import type { LinkFacts, NodeFacts, TopologyGraph } from '../../policy/paths/graph.ts'

/** When the tests' clocks begin, Unix milliseconds. */
export const T0 = 1_800_000_000_000
export const TENANT = 'tv1'

export const RIST: TransportCapability = {
  transport: 'rist',
  profile: 'main',
  authentication: 'srp',
  aes_bits: 256,
}
export const WEBRTC: TransportCapability = { transport: 'webrtc', aes_bits: 256 }
export const SRT: TransportCapability = { transport: 'srt', aes_bits: 256 }

/** A node that is up, idle and trusted; senders are the tenant's, everything else the hub's. */
export function node(nodeId: string, role: NodeFacts['role'], more: Partial<NodeFacts> = {}): NodeFacts {
  const serves = role === 'hub' || role === 'edge'
  return {
    nodeId,
    tenantId: role === 'sender' || role === 'recorder' ? TENANT : null,
    role,
    up: true,
    region: null,
    segments: [],
    transports: [RIST, WEBRTC],
    serves: serves ? [WEBRTC] : [],
    ptp: false,
    tsn: false,
    reputation: 1,
    ceilings: { maxFlows: null, maxKbps: null },
    load: { workerCpu: 0.1, flows: 0, kbps: 0 },
    ...more,
  }
}

export function link(linkId: string, from: string, to: string, more: Partial<LinkFacts> = {}): LinkFacts {
  return { linkId, tenantId: null, from, to, medium: 'wired', tsn: false, capacityKbps: null, ...more }
}

/** A report of a link that delivers. */
export function report(at: number, more: Partial<LinkObservation> = {}): LinkObservation {
  return {
    at,
    rttMs: 20,
    jitterMs: 1,
    loss: 0,
    bitrateKbps: 1000,
    queueDepth: 0,
    sentPackets: 100,
    deliveredPackets: 100,
    ...more,
  }
}

/** Lets a link deliver up to `untilMs`, long enough to be trusted. */
export function proves(
  graph: TopologyGraph,
  { tenantId, from, linkId }: Pick<LinkFacts, 'tenantId' | 'from' | 'linkId'>,
  untilMs: number,
  more: Partial<LinkObservation> = {},
): void {
  for (let at = untilMs - 10_000; at <= untilMs; at += 1000)
    graph.observe(tenantId, from, linkId, report(at, more))
}

export function principal(more: Partial<Principal> = {}): Principal {
  return {
    id: 'op',
    role: 'operator',
    tenant_id: TENANT,
    node_id: null,
    grants: { streams: ['*'], actions: ['*'] },
    ...more,
  }
}

export function request(more: Partial<DecisionRequest> = {}): DecisionRequest {
  return {
    action: 'publish',
    tenant_id: TENANT,
    stream_id: 'cam-1',
    class: 'focus',
    node_id: 'sender-1',
    preferred_transports: [],
    avoid_links: [],
    by_hand: false,
    ...more,
  }
}

export function facts(topology: TopologyGraph, more: Partial<DecisionFacts> = {}): DecisionFacts {
  return {
    topology,
    stream: { tenantId: TENANT, streamId: 'cam-1', homeNodeId: 'hub-1', upstream: null },
    peer: BROWSER,
    usage: { streams: 0, streamsOfToken: 0, viewers: 0, viewersOfStream: 0, uplinkKbps: 0 },
    workersFull: null,
    measured: {},
    current: null,
    ...more,
  }
}

export function policy(document: PolicyDocument = {}) {
  return effectivePolicy(TENANT, document, 1)
}

/** Asks as an operator of the tenant, with the defaults of everything that is not given. */
export function ask(
  topology: TopologyGraph,
  asked: {
    request?: Partial<DecisionRequest>
    facts?: Partial<DecisionFacts>
    policy?: PolicyDocument
    principal?: Partial<Principal>
    nowMs?: number
  } = {},
) {
  const question: Question = { principal: principal(asked.principal), request: request(asked.request) }
  return decide(question, facts(topology, asked.facts), policy(asked.policy), asked.nowMs ?? T0)
}
