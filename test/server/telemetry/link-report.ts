import type { TelemetryReport } from '../../../common/wire/telemetry.ts'

/** What a sender reports of a link over which everything arrives. */
export function linkReport(at: number, more: Partial<TelemetryReport> = {}): TelemetryReport {
  return {
    node_id: 'sender-1',
    link_id: 'lte-1',
    rtt_ms: 30,
    jitter_ms: 2,
    loss: 0,
    bitrate_kbps: 3000,
    queue_depth: 0,
    at,
    packets_sent: 300,
    packets_delivered: 300,
    ...more,
  }
}
