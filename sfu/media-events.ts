import type { IngressStats } from '../common/wire/ingress-ipc.ts'
import type { StreamState } from '../common/wire/stream.ts'
import type { ViewerReport } from '../common/wire/viewer-protocol.ts'

/**
 * Everything of note that happens to media, told once, by name. The composition root turns each into a counter
 * and a log line; nothing here may steer what the SFU does.
 */
export interface MediaEvents {
  workerDied(slot: number, pid: number): void
  workerBack(slot: number, tookMs: number): void
  ingressDied(streamId: string, how: string): void
  ingressFailed(streamId: string, code: string, message: string): void
  flow(streamId: string, state: 'connected' | 'lost' | 'replaced'): void
  /** The recovery buffer changed, ms, for a path of this RTT, ms. */
  bufferFitted(streamId: string, bufferMs: number, rttMs: number): void
  streamState(streamId: string, state: StreamState): void
  /** Somebody or something was turned away: a sender without the right secrets, a viewer over the limit. */
  rejected(streamId: string, reason: string, detail: string, count?: number): void
  /** Damage found in the input, by kind, since the last call. */
  inputIssues(streamId: string, counts: Readonly<Record<string, number>>): void
  ingressStats(streamId: string, stats: IngressStats): void
  viewerJoined(streamId: string): void
  viewerLeft(streamId: string): void
  viewerReport(streamId: string, streamClass: string, report: ViewerReport): void
  /** An operation failed and was contained; `stage` and `kind` are low-cardinality. */
  error(stage: string, kind: string, cause: unknown): void
}
