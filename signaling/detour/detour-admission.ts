import type { CodedError } from '../../common/errors.ts'
import type { StreamName } from '../../sfu/media-events.ts'

/** Where the datagrams of a contract's links go. Disposing of it gives the place back. */
export interface DetourPlace extends Disposable {
  readonly stream: StreamName
  /** Local IP address of the RIST ports. */
  readonly address: string
  /** UDP port of each link, by the index of the contract's endpoint. */
  readonly ports: readonly number[]
  /** What a sender may send by the contract over all its links, kb/s on the wire. */
  readonly kbps: number
}

/** How the granter of the contract reaches the connection that carries its datagrams. */
export interface DetourHolder {
  /** The contract allows no detour any more: it has another class now. */
  refused(why: CodedError): void
  /** The contract is over. */
  contractEnded(reason: 'expired' | 'revoked'): void
  /** A newer connection of the same sender has the place. */
  takenOver(): void
}

/** Knows which contracts may send over a detour. */
export interface DetourAdmission {
  /**
   * @throws CodedError `unknown_ticket` (401), `other_transport` (409), `detour_refused` (409) with the arithmetic
   */
  admit(ticket: string, holder: DetourHolder): DetourPlace
}
