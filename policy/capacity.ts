import type { GraphLink, NodeFacts } from './paths/graph.ts'
import type { LinkView } from './paths/link-view.ts'

/** Something that is full: its name, as errors and metrics have it, and the arithmetic. */
export interface Saturation {
  readonly resource: string
  readonly words: string
}

/** A node takes nothing new while its least busy worker is at this load or above. Running flows stay. */
export const WORKER_CPU_CEILING = 0.85

/** Share of a link's spare capacity that one flow may plan with. The rest is for retransmissions and other flows. */
const LINK_SHARE = 0.8

/** Signs that a link can carry no more than it carries now: its queue, ms, and its loss (0 to 1). */
export const CONGESTED_QUEUE_MS = 200
export const CONGESTED_LOSS = 0.05
/** Below this rate loss and queues say nothing about capacity, kb/s. */
export const TELLING_KBPS = 200

/**
 * What a link can carry for a flow, kb/s; null where nobody knows. A link with signs of congestion carries no more than
 * what arrives now, whatever was declared.
 * @param ownKbps the flow's own share of the link's present load
 */
export function linkCapacityKbps(
  { facts, metrics }: GraphLink,
  view: LinkView,
  ownKbps: number,
): number | null {
  const others = metrics === null ? 0 : view.weight * Math.max(0, metrics.bitrateKbps - ownKbps)
  const declared = facts.capacityKbps === null ? null : LINK_SHARE * Math.max(0, facts.capacityKbps - others)
  const telling = metrics !== null && view.weight > 0 && metrics.bitrateKbps >= TELLING_KBPS
  if (!telling || (view.queueMs < CONGESTED_QUEUE_MS && view.loss < CONGESTED_LOSS)) return declared
  const arriving = Math.max(0, metrics.bitrateKbps * (1 - view.loss) - others)
  return declared === null ? arriving : Math.min(declared, arriving)
}

/**
 * What is full on a node, or null where `kbps` more fit. A node whose ceiling is no flows at all is draining.
 * @returns the saturated resource, as errors and metrics name it
 */
export function saturatedResource(node: NodeFacts, kbps: number): string | null {
  const { load, ceilings } = node
  if (load.workerCpu >= WORKER_CPU_CEILING) return 'worker_cpu'
  if (ceilings.maxFlows === 0) return 'node_draining'
  if (ceilings.maxFlows !== null && load.flows >= ceilings.maxFlows) return 'node_flows'
  if (ceilings.maxKbps !== null && load.kbps + kbps > ceilings.maxKbps) return 'node_uplink'
  return null
}

/** The arithmetic behind `saturatedResource`, in words. */
export function describeSaturation({ nodeId, load, ceilings }: NodeFacts, resource: string): string {
  switch (resource) {
    case 'worker_cpu':
      return `${nodeId}: least busy worker at ${Math.round(load.workerCpu * 100)} %, ceiling ${WORKER_CPU_CEILING * 100} %`
    case 'node_draining':
      return `${nodeId} is being drained: it takes nothing new`
    case 'node_flows':
      return `${nodeId}: ${load.flows} of ${ceilings.maxFlows} flows`
    default:
      return `${nodeId}: ${load.kbps} of ${ceilings.maxKbps} kb/s`
  }
}

/** Ceilings of a tenant; null means no ceiling. */
export interface TenantCeilings {
  readonly maxStreams: number | null
  /** Most streams of one asker: a user with all tokens of that user, or a node. */
  readonly maxStreamsPerToken: number | null
  readonly maxViewers: number | null
  readonly maxViewersPerStream: number | null
  /** Most viewers without a token from one address. */
  readonly maxViewersPerAddress: number | null
  readonly uplinkKbps: number | null
}

/** Viewers without a token may have this share of each ceiling together. The rest is for viewers with a token. */
const ANONYMOUS_SHARE = 0.9

/** How many of `most` viewers may be without a token; null means no ceiling. */
export function anonymousCeiling(most: number | null): number | null {
  return most === null ? null : Math.ceil(most * ANONYMOUS_SHARE)
}

/** What viewers without a token use of a tenant now. Places that give way are not counted. */
export interface AnonymousUsage {
  readonly viewers: number
  readonly viewersOfStream: number
  /** Viewers at the address of the present asker. */
  readonly viewersOfAddress: number
}

/** What the tenant uses now, without the flow in question and without places that give way to that flow. */
export interface TenantUsage {
  readonly streams: number
  /** Streams that the present asker already has. */
  readonly streamsOfToken: number
  readonly viewers: number
  readonly viewersOfStream: number
  /** Sum of the granted `abr.max_kbps` of its senders. */
  readonly uplinkKbps: number
}

/** The full ceiling of the tenant for one more publisher or viewer, with the arithmetic; null where there is room. */
export function saturatedQuota(
  ceilings: TenantCeilings,
  usage: TenantUsage,
  action: 'publish' | 'subscribe',
  kbps: number,
  anonymous?: AnonymousUsage | undefined,
): Saturation | null {
  const full = (resource: string, used: number, more: number, ceiling: number | null, unit: string) =>
    ceiling !== null && used + more > ceiling
      ? { resource, words: `${used} + ${more} of ${ceiling} ${unit}` }
      : null
  if (action === 'publish') {
    return (
      full('token_streams', usage.streamsOfToken, 1, ceilings.maxStreamsPerToken, 'streams of this token') ??
      full('tenant_streams', usage.streams, 1, ceilings.maxStreams, 'streams') ??
      full('tenant_uplink', usage.uplinkKbps, kbps, ceilings.uplinkKbps, 'kb/s')
    )
  }
  const { maxViewers, maxViewersPerStream, maxViewersPerAddress } = ceilings
  const open = 'viewers without a token'
  return (
    (anonymous &&
      (full(
        'address_viewers',
        anonymous.viewersOfAddress,
        1,
        maxViewersPerAddress,
        `${open} of one address`,
      ) ??
        full('tenant_viewers', anonymous.viewers, 1, anonymousCeiling(maxViewers), open) ??
        full(
          'stream_viewers',
          anonymous.viewersOfStream,
          1,
          anonymousCeiling(maxViewersPerStream),
          `${open} of the stream`,
        ))) ??
    full('tenant_viewers', usage.viewers, 1, maxViewers, 'viewers') ??
    full('stream_viewers', usage.viewersOfStream, 1, maxViewersPerStream, 'viewers of the stream')
  )
}
