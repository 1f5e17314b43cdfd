import { z } from 'zod'
import { linkIdSchema, nodeIdSchema } from '../../common/wire/ids.ts'
import { MAX_LINKS_PER_NODE } from '../../common/wire/topology.ts'
import type { LinkEvidence, LinkObservation } from '../../policy/evidence.ts'
import type { Topology } from './graph.ts'
import type { NodeRecord } from './node-record.ts'

const metricsSchema: z.ZodType<LinkObservation> = z.strictObject({
  at: z.number(),
  rttMs: z.number(),
  jitterMs: z.number(),
  loss: z.number(),
  bitrateKbps: z.number(),
  queueDepth: z.number(),
  sentPackets: z.number().nullable(),
  deliveredPackets: z.number().nullable(),
})

const evidenceSchema: z.ZodType<LinkEvidence> = z.strictObject({
  measuredAt: z.number().nullable(),
  deliveredAt: z.number().nullable(),
  failedAt: z.number().nullable(),
  runSince: z.number().nullable(),
  proofs: z.number(),
  admitted: z.boolean(),
  breaks: z.number(),
  rttPeakMs: z.number(),
  rttPeakAt: z.number(),
})

/**
 * What survives a restart of the live topology, one document for each node: its last sign of life, its reputation, and
 * the newest report and the evidence of each of its links. Reports themselves are never written.
 */
export const nodeStateSchema = z.strictObject({
  up: z.boolean(),
  last_seen: z.number().nullable(),
  reputation: z.strictObject({ value: z.number().min(0).max(1), at: z.number() }),
  links: z
    .array(
      z.strictObject({
        link_id: linkIdSchema,
        /** Where a learned link leads, and when it was last reported. */
        learned: z.strictObject({ to: nodeIdSchema, reported_at: z.number() }).nullable(),
        metrics: metricsSchema.nullable(),
        evidence: evidenceSchema,
      }),
    )
    .max(MAX_LINKS_PER_NODE),
})
export type NodeState = z.infer<typeof nodeStateSchema>

export function stateOf(topology: Topology, record: NodeRecord): NodeState {
  const { tenantId, nodeId } = record
  const ids = [...record.entry.links.map(({ link_id }) => link_id), ...record.learned.keys()]
  return {
    up: record.up,
    last_seen: record.lastSeen,
    reputation: { value: record.reputation.value, at: record.reputation.at },
    links: ids.flatMap((linkId) => {
      const link = topology.link(tenantId, nodeId, linkId)
      if (!link || link.evidence.measuredAt === null) return []
      const learned = record.learned.get(linkId)
      return {
        link_id: linkId,
        learned: learned ? { to: learned.to, reported_at: learned.reportedAt } : null,
        metrics: link.metrics,
        evidence: link.evidence,
      }
    }),
  }
}

export function restoreState(topology: Topology, record: NodeRecord, state: NodeState, nowMs: number): void {
  const { up, last_seen: lastSeen, reputation } = state
  topology.restoreNode(record, { up, lastSeen, reputation }, nowMs)
  for (const { link_id, learned, metrics, evidence } of state.links) {
    const known = learned && { to: learned.to, reportedAt: learned.reported_at }
    topology.restoreLink(record, link_id, { metrics, evidence }, known)
  }
}
