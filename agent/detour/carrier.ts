import type { Via } from '../../common/wire/flow-contract.ts'

/** What comes of a way for datagrams. */
export interface CarrierListener {
  /** An answer for a link; the bytes are the listener's. */
  heard(link: number, datagram: Uint8Array): void
  /** The way is over. Nothing more is heard of it. */
  lost(why: string): void
}

export interface CarrierOptions {
  /** The ticket of the contract. */
  readonly ticket: string
  /** How old a datagram may become before it is dropped, ms. */
  readonly queueMs: number
  readonly listener: CarrierListener
  readonly signal: AbortSignal
}

/** A way for the datagrams of links where no UDP gets through, once it is open. */
export interface Carrier extends Disposable {
  readonly via: Exclude<Via, 'udp'>
  /** Datagrams that were dropped because they became too old. */
  readonly dropped: number
  send(link: number, datagram: Uint8Array): void
}
