import type { Abr } from '../common/wire/flow-contract.ts'
import type { ViewerMediaStatistics } from '../common/wire/statistics-api.ts'
import type { Stream } from '../sfu/stream.ts'

/**
 * What a contract lets one viewer connection do. Disposing of it frees the place for whoever comes with the same ticket;
 * where nobody does, it is given back after a while.
 */
export interface AdmittedViewer extends Disposable {
  readonly contractId: string
  /** Granted to somebody without a token. */
  readonly anonymous: boolean
  readonly stream: Stream
  readonly abr: Abr
  /** 1 to 255: among the streams of one viewer, the more the earlier this one gets its bandwidth. */
  readonly priority: number
  /** Somebody is at the other end: until then the place gives way where there are too many. */
  connected(): void
  /** Its viewer is done: the place is given back at once, and the contract with it. */
  leave(): void
}

/** How whoever granted the contract reaches the connection that uses it. */
export interface ContractListener {
  abrChanged(abr: Abr, reasons: readonly string[]): void
  /** Its stream is served before or after others of this viewer from now on. */
  priorityChanged(priority: number): void
  /** What it gets now; null while it has no media. */
  statistics(): Promise<ViewerMediaStatistics | null>
  /** The contract is over: media has to stop now. */
  contractEnded(reason: 'expired' | 'revoked'): void
}

/** Who knows the tickets: media flows to a viewer only by a contract. */
export interface ViewerAdmission {
  /**
   * Takes a connection in.
   * @throws CodedError `unknown_ticket` (401), `ticket_in_use` (409)
   */
  admit(ticket: string, listener: ContractListener): AdmittedViewer
}
