import { type Clock, SYSTEM_CLOCK, steadyOf } from '../../common/clock.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { TelemetryReport } from '../../common/wire/telemetry.ts'
import type { LinkObservation } from '../../policy/evidence.ts'
import { FRESHNESS_RULES } from '../../policy/health.ts'
import type { ObserveOutcome, Topology } from '../topology/graph.ts'
import type { SloTracker } from '../topology/slo.ts'
import { ClockSkew, MAX_SKEW_MS } from './clock-skew.ts'
import type { ApplyReport } from './intake.ts'

/** How a report went; the label of `lanecast_telemetry_reports_total`. */
export type ReportOutcome =
  | ObserveOutcome
  /** Measured so long ago that it says nothing about now. */
  | 'stale'
  /** Dated further ahead than clocks are off. */
  | 'future'
  | 'unknown_stream'

export interface ApplyDependencies {
  readonly topology: Topology
  readonly slo: SloTracker
  /** The class of a tenant's stream; undefined where it has no such stream. */
  readonly streamClass: (tenantId: string, streamId: string) => StreamClass | undefined
  readonly clock?: Clock
}

/** Works reports into the topology and the service levels. */
export function reportApplier({
  topology,
  slo,
  streamClass,
  clock = SYSTEM_CLOCK,
}: ApplyDependencies): ApplyReport {
  let skew = new ClockSkew()
  let stepMs = 0
  return (reporter, report, receivedAt): ReportOutcome => {
    // Reporters' clocks are compared with the machine's, and what they say is as old as the steady one says.
    const reportedAt = steadyOf(clock, report.at)
    // What was learned of their clocks was by one that has been set since.
    if (report.at - reportedAt !== stepMs) skew = new ClockSkew()
    stepMs = report.at - reportedAt
    const delay = receivedAt - reportedAt
    if (delay > FRESHNESS_RULES.invalidMs) return 'stale'
    if (delay < -MAX_SKEW_MS) return 'future'
    const { tenantId, kind } = reporter
    const { node_id, link_id, stream_id, to, glass_to_glass_ms } = report
    const at = skew.corrected(`${tenantId ?? ''}/${reporter.key}/${node_id}`, reportedAt, receivedAt)

    if (kind !== 'viewer' && !topology.seen(tenantId, node_id, receivedAt)) return 'unknown_node'
    if (glass_to_glass_ms !== undefined && stream_id !== undefined && tenantId !== null) {
      const streamClassName = streamClass(tenantId, stream_id)
      if (streamClassName === undefined) return 'unknown_stream'
      const watched = { tenantId, streamId: stream_id, streamClass: streamClassName, viewer: reporter.key }
      slo.record(watched, glass_to_glass_ms, at)
    }
    if (link_id === undefined || kind === 'viewer') return 'applied'
    return topology.observe(tenantId, node_id, link_id, observationOf(report, at), to)
  }
}

function observationOf(report: TelemetryReport, at: number): LinkObservation {
  return {
    at,
    rttMs: report.rtt_ms,
    jitterMs: report.jitter_ms,
    loss: report.loss,
    // What probes take is no load: a link must not look busy for being tested.
    bitrateKbps: report.probe === true ? 0 : report.bitrate_kbps,
    queueDepth: report.queue_depth,
    sentPackets: report.packets_sent ?? null,
    deliveredPackets: report.packets_delivered ?? null,
  }
}
