import type { IngressStats } from '../common/wire/ingress-ipc.ts'
import type { PublisherReport } from '../common/wire/publisher-protocol.ts'
import type { StreamClass, StreamState } from '../common/wire/stream.ts'
import type { ViewerReport } from '../common/wire/viewer-protocol.ts'

/** Names a stream for people and metrics: stream ids are unique in their tenant only. */
export interface StreamName {
  readonly tenantId: string
  readonly streamId: string
}

/** How a move between workers came out: `broken` where the viewer has to join anew. */
export interface ViewerMoved {
  readonly outcome: 'moved' | 'stayed' | 'broken'
  /** Workers, by their index. */
  readonly from: number
  readonly to: number
  readonly tookMs: number
  readonly reason?: string
}

/**
 * Everything of note that happens to media, told once, by name. The composition root turns each into a counter
 * and a log line; nothing here may steer what the SFU does.
 */
export interface MediaEvents {
  workerDied(slot: number, pid: number): void
  workerBack(slot: number, tookMs: number): void
  ingressDied(stream: StreamName, how: string): void
  ingressFailed(stream: StreamName, code: string, message: string): void
  /** Another program has one of the stream's ports, in words; null where the ports are there again. */
  portsTaken(stream: StreamName, why: string | null): void
  flow(stream: StreamName, state: 'connected' | 'lost' | 'replaced'): void
  /** The recovery buffer changed, ms, for a path of this RTT, ms. */
  bufferFitted(stream: StreamName, bufferMs: number, rttMs: number): void
  streamState(stream: StreamName, state: StreamState): void
  /** Somebody or something was turned away: a sender without the right secrets, a viewer over the limit. `stream` null before it is known. */
  rejected(stream: StreamName | null, reason: string, detail: string, count?: number): void
  /** Damage found in the input, by kind, since the last call. */
  inputIssues(stream: StreamName, counts: Readonly<Record<string, number>>): void
  ingressStats(stream: StreamName & { readonly streamClass: string }, stats: IngressStats): void
  viewerJoined(stream: StreamName): void
  viewerLeft(stream: StreamName): void
  /** A running viewer was moved from a busy worker to another, or was to be. */
  viewerMoved(stream: StreamName, move: ViewerMoved): void
  viewerReport(stream: StreamName, streamClass: StreamClass, report: ViewerReport, viewer: string): void
  publisherReport(stream: StreamName, report: PublisherReport): void
  /** An operation failed and was contained; `stage` and `kind` are low-cardinality. */
  error(stage: string, kind: string, cause: unknown): void
}
