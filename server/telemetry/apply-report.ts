import { type Clock, SYSTEM_CLOCK, steadyOf } from '../../common/clock.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { TelemetryReport } from '../../common/wire/telemetry.ts'
import type { LinkObservation } from '../../policy/evidence.ts'
import { FRESHNESS_RULES } from '../../policy/health.ts'
import type { ObserveOutcome, Topology } from '../topology/graph.ts'
import type { SloTracker } from '../topology/slo.ts'
import { ClockSkew, MAX_SKEW_MS } from './clock-skew.ts'
import type { ApplyReport } from './intake.ts'

/** The outcome of a report; the label of `lanecast_telemetry_reports_total`. */
export type ReportOutcome =
  | ObserveOutcome
  /** Measured too long ago to say anything about now. */
  | 'stale'
  /** Dated further ahead than a clock can be off. */
  | 'future'
  | 'unknown_stream'

export interface ApplyDependencies {
  readonly topology: Topology
  readonly slo: SloTracker
  /** The class of a tenant's stream; undefined where the tenant has no such stream. */
  readonly streamClass: (tenantId: string, streamId: string) => StreamClass | undefined
  readonly clock?: Clock
}

/** Evaluates reports: updates the topology and the service levels. */
export function reportApplier({
  topology,
  slo,
  streamClass,
  clock = SYSTEM_CLOCK,
}: ApplyDependencies): ApplyReport {
  let skew = new ClockSkew()
  let stepMs = 0
  return (reporter, report, receivedAt): ReportOutcome => {
    // Reporters' clocks are compared with the machine's clock. The age of a report goes by the steady clock.
    const reportedAt = steadyOf(clock, report.at)
    // The clock has been set since: what was learned of reporters' clocks is void.
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
    // Probes are no load: a link must not look busy because it is tested.
    bitrateKbps: report.probe === true ? 0 : report.bitrate_kbps,
    queueDepth: report.queue_depth,
    sentPackets: report.packets_sent ?? null,
    deliveredPackets: report.packets_delivered ?? null,
  }
}
