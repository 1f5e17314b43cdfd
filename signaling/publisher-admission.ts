import type { FlowContract, IceAccess } from '../common/wire/flow-contract.ts'
import type { WayReport } from '../common/wire/publisher-protocol.ts'
import type { Publisher } from '../sfu/publisher.ts'
import type { Stream } from '../sfu/stream.ts'

/** How the granter of the contract reaches the connection that publishes by it. */
export interface PublishingListener {
  /** The client can't hear which media nobody watches, and sends everything. If media does not come, it has stopped. */
  readonly sendsAlways: boolean
  contractChanged(contract: FlowContract): void
  /** The contract is over: its media has stopped. */
  contractEnded(reason: 'expired' | 'revoked'): void
  /** Another connection has the place now: the same program's, or, after media had stopped, another program's. */
  takenOver(): void
}

/** The one place of a contract for its publisher. Disposing of it gives the place back. */
export interface PublisherPlace extends Disposable {
  readonly stream: Stream
  readonly contract: FlowContract
  /** The relays for a transport of this publisher, with credentials of this moment. */
  ice(): IceAccess
  /**
   * The media of the place. When a connection is lost, media goes on for a while, so that the publisher's next
   * connection finds it. Media is closed when this is set to null, and when the place stays empty.
   */
  publisher: Publisher | null
  /** How a field sender's links reach the hub now. */
  reportWays(report: WayReport): void
  /** Ends the contract: others may have the stream. */
  end(): Promise<void>
}

/** Knows the publishers' tickets: media comes in only by a contract. */
export interface PublisherAdmission {
  /**
   * Finds out whether the media of the place's holder still arrives, where that makes a difference. It takes most of a
   * second. Call it before `admit`.
   */
  look(ticket: string, publisherId: string | null): Promise<void>
  /**
   * Admits a publisher. The same program takes the place of its old connection, another program only where media has
   * stopped.
   * @param publisherId tells the same program on a new connection from another program; null is always another program
   * @throws CodedError `unknown_ticket` (401), `stream_taken` (409), `stream_not_found` (404)
   */
  admit(ticket: string, publisherId: string | null, listener: PublishingListener): PublisherPlace
}
