import type { IngressStats } from '../common/wire/ingress-ipc.ts'
import type { PublisherReport } from '../common/wire/publisher-protocol.ts'
import type { StreamClass, StreamState } from '../common/wire/stream.ts'
import type { ViewerReport } from '../common/wire/viewer-protocol.ts'
import type { RestartReason } from '../common/wire/web-rtc-shapes.ts'
import type { InputStatus, Switched } from './switch/switch-status.ts'

/** The name of a stream for people and metrics: stream ids are unique only within a tenant. */
export interface StreamName {
  readonly tenantId: string
  readonly streamId: string
}

/** An ICE restart of a running transport. WHIP and WHEP clients give no reason. */
export interface IceRestarted {
  readonly of: 'viewer' | 'publisher' | 'whip' | 'whep'
  readonly reason?: RestartReason
}

/** The outcome of a move between workers. `broken`: the viewer must join again. */
export interface ViewerMoved {
  readonly outcome: 'moved' | 'stayed' | 'broken'
  /** Workers, by their index. */
  readonly from: number
  readonly to: number
  readonly tookMs: number
  readonly reason?: string
}

/**
 * Everything of note that happens to media, told once, by name. The composition root turns each event into a counter
 * and a log line. Nothing here may steer the SFU.
 */
export interface MediaEvents {
  workerDied(slot: number, pid: number): void
  workerBack(slot: number, tookMs: number): void
  ingressDied(stream: StreamName, how: string): void
  ingressFailed(stream: StreamName, code: string, message: string): void
  /** A switched stream's process died. Its successor is on the way. */
  switchDied(stream: StreamName, how: string): void
  /** Another input of a switched stream is on air, or the slate. */
  switched(stream: StreamName, event: Switched): void
  /** An input of a switched stream came, went, or can't be shown. */
  inputState(stream: StreamName, status: InputStatus): void
  /** These inputs claim the same capture times and have different pictures. They are merged no more. */
  mergeRefused(stream: StreamName, inputs: readonly string[]): void
  /** Another program has one of the stream's ports, in words; null where the ports are there again. */
  portsTaken(stream: StreamName, why: string | null): void
  flow(stream: StreamName, state: 'connected' | 'lost' | 'replaced'): void
  /** A field sender's links reach the hub in these ways now, by the links' ports. */
  linkWays(stream: StreamName, ways: Readonly<Record<number, string>>): void
  /** The recovery buffer changed, ms, for a path with this RTT, ms. */
  bufferFitted(stream: StreamName, bufferMs: number, rttMs: number): void
  streamState(stream: StreamName, state: StreamState): void
  /**
   * Something was refused: a sender with wrong secrets, a viewer over the limit. `stream` is null before it is known.
   */
  rejected(stream: StreamName | null, reason: string, detail: string, count?: number): void
  /** Damage found in the input, by kind, since the last call. */
  inputIssues(stream: StreamName, counts: Readonly<Record<string, number>>): void
  ingressStats(stream: StreamName & { readonly streamClass: string }, stats: IngressStats): void
  viewerJoined(stream: StreamName): void
  viewerLeft(stream: StreamName): void
  /** A running viewer was moved from a busy worker to another, or the move failed. */
  viewerMoved(stream: StreamName, move: ViewerMoved): void
  /** A client got another path to its running transport, or tries to. `stream` is null where nobody knows it any more. */
  iceRestarted(stream: StreamName | null, restart: IceRestarted): void
  viewerReport(stream: StreamName, streamClass: StreamClass, report: ViewerReport, viewer: string): void
  publisherReport(stream: StreamName, report: PublisherReport): void
  /** An operation failed, and the failure was contained; `stage` and `kind` are low-cardinality. */
  error(stage: string, kind: string, cause: unknown): void
}
