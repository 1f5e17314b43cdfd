import type { FlowContract } from '../common/wire/flow-contract.ts'
import type { Publisher } from '../sfu/publisher.ts'
import type { Stream } from '../sfu/stream.ts'

/** How whoever granted the contract reaches the connection that publishes by it. */
export interface PublishingListener {
  /** Its client can't be told what nobody watches, and sends all of it: media that does not come has stopped. */
  readonly sendsAlways: boolean
  contractChanged(contract: FlowContract): void
  /** The contract is over: its media has stopped. */
  contractEnded(reason: 'expired' | 'revoked'): void
  /** Another connection has the place now: the same program's, or another's by the same ticket as media had stopped. */
  takenOver(): void
}

/** The one place that a contract has for its publisher. Disposing of it gives it back. */
export interface PublisherPlace extends Disposable {
  readonly stream: Stream
  readonly contract: FlowContract
  /**
   * The media that the place holds: where a connection is lost it goes on for a while, so that the next one by the
   * same publisher finds it. Set to null it is closed; so is it when the place stays empty.
   */
  publisher: Publisher | null
  /** Ends the contract: whoever wants the stream may have it. */
  end(): Promise<void>
}

/** Who knows the publishers' tickets: media comes in only by a contract. */
export interface PublisherAdmission {
  /**
   * Finds out whether the media of whoever holds the place still arrives, where that makes a difference: it takes most
   * of a second. Ask before `admit`.
   */
  look(ticket: string, publisherId: string | null): Promise<void>
  /**
   * Takes a publisher in. The same program takes the place of its old connection; another one only where media has
   * stopped.
   * @param publisherId tells the same program on a new connection from another one; null is always another one
   * @throws CodedError `unknown_ticket` (401), `stream_taken` (409), `stream_not_found` (404)
   */
  admit(ticket: string, publisherId: string | null, listener: PublishingListener): PublisherPlace
}
