import type { Abr, IceAccess } from '../common/wire/flow-contract.ts'
import type { ViewerMediaStatistics } from '../common/wire/statistics-api.ts'
import type { ViewerPath } from '../common/wire/viewer-protocol.ts'
import type { Stream } from '../sfu/stream.ts'

/**
 * What a contract allows one viewer connection. Disposing of it frees the place for the next connection with the same
 * ticket. If none comes, the place is given back after a while.
 */
export interface AdmittedViewer extends Disposable {
  readonly contractId: string
  /** The contract was granted to somebody without a token. */
  readonly anonymous: boolean
  readonly stream: Stream
  readonly abr: Abr
  /** 1 to 255. Among the streams of one viewer, the higher priority gets its bandwidth first. */
  readonly priority: number
  /** The relays for a transport of this viewer, with credentials of this moment. */
  ice(): IceAccess
  /** What goes on through relays by this contract belongs to another contract of the connection from now on. */
  passRelays(contractId: string): void
  /** A client is at the other end. Until then the place gives way where there are too many. */
  connected(): void
  /** The client's connection is lost, and may come back. Until then the place gives way where there are too many. */
  away(): void
  /** The viewer is done: the place and the contract are given back at once. */
  leave(): void
}

/** How the granter of the contract reaches the connection that uses it. */
export interface ContractListener {
  abrChanged(abr: Abr, reasons: readonly string[]): void
  /** The priority of the viewer's stream has changed. */
  priorityChanged(priority: number): void
  /** How media reaches the viewer now, by its own word; null while nobody said. */
  path(): ViewerPath | null
  /** What the viewer gets now; null while it has no media. */
  statistics(): Promise<ViewerMediaStatistics | null>
  /** The contract is over: media must stop now. */
  contractEnded(reason: 'expired' | 'revoked'): void
}

/** Knows the tickets: media flows to a viewer only by a contract. */
export interface ViewerAdmission {
  /**
   * Admits a connection.
   * @throws CodedError `unknown_ticket` (401), `ticket_in_use` (409)
   */
  admit(ticket: string, listener: ContractListener): AdmittedViewer
}
