import { CodedError } from '../common/errors.ts'
import type { FlowContract } from '../common/wire/flow-contract.ts'
import { Publisher, type PublisherListener } from '../sfu/publisher.ts'
import type { SignOfLife } from '../sfu/web-rtc-end.ts'
import type { PublisherAdmission, PublisherPlace, PublishingListener } from './publisher-admission.ts'
import { connectionGone } from './session-peer.ts'

/** The client that publishes. A protoo client hears all of this, a WHIP client hears next to nothing. */
export interface PublishingClient extends PublishingListener, PublisherListener {
  /** The client was let in. Nobody else publishes the stream now. */
  admitted?(place: PublisherPlace): void
  /** Without this its path is lost; consent by default. */
  readonly signOfLife?: SignOfLife
  /** An operation on the publisher's media failed and was contained. */
  mediaFailed(error: unknown): void
}

export interface PublishRequest {
  readonly ticket: string
  /** Tells the same program on a new connection from another program; null is always another program. */
  readonly publisherId: string | null
  /** Id of the transport that the client still has. If that transport is gone, a new one is made. */
  readonly transportId?: string | undefined
}

export interface Published {
  readonly place: PublisherPlace
  /** The contract's present version. */
  readonly contract: FlowContract
  /** null where the contract's media does not come over WebRTC. */
  readonly publisher: Publisher | null
}

/**
 * What one client publishes, by one contract. Disposing of it gives the place back. The media of the place goes on for a
 * while, so that a publisher who comes back finds it.
 */
export class Publishing implements Disposable {
  readonly #admission: PublisherAdmission
  readonly #client: PublishingClient
  #place: PublisherPlace | null = null
  #contract: FlowContract | null = null
  #closed = false

  constructor(admission: PublisherAdmission, client: PublishingClient) {
    this.#admission = admission
    this.#client = client
  }

  get place(): PublisherPlace | null {
    return this.#place
  }

  /**
   * Publishes: from the ticket of a contract to the source of its stream.
   * @throws CodedError `unknown_ticket` (401), `stream_not_found` (404), `stream_taken` or `ticket_changed` (409), `gone`
   *   (410), `no_worker` (503)
   */
  async publish({ ticket, publisherId, transportId }: PublishRequest): Promise<Published> {
    // The holder of the place keeps it while media arrives. Finding that out takes most of a second.
    if (!this.#place) await this.#admission.look(ticket, publisherId)
    const place = this.#admit(ticket, publisherId)
    const contract = this.#contract ?? place.contract
    if (contract.transport !== 'webrtc') return { place, contract, publisher: null }
    const kept = place.publisher
    if (kept && kept.end.id === transportId) {
      kept.listener = this.#client
      return { place, contract, publisher: kept }
    }
    place.publisher = null
    const publisher = await Publisher.open(place.stream, contract.abr, this.#client, this.#client.signOfLife)
    if (this.#place !== place) {
      await publisher[Symbol.asyncDispose]()
      throw publisher.end.gone(connectionGone())
    }
    place.publisher = publisher
    return { place, contract, publisher }
  }

  /** Closes the media and gives the place back. */
  stop(): void {
    if (this.#place) this.#place.publisher = null
    this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#leave()
  }

  /** The place of the ticket. The first ticket decides for the whole connection. */
  #admit(ticket: string, publisherId: string | null): PublisherPlace {
    if (this.#closed) throw connectionGone()
    if (this.#place) {
      if (this.#place.contract.join.ticket === ticket) return this.#place
      throw new CodedError('ticket_changed', 'this connection published with another ticket')
    }
    const place = this.#admission.admit(ticket, publisherId, this.#listener)
    this.#place = place
    this.#client.admitted?.(place)
    return place
  }

  #leave(): void {
    this.#place?.[Symbol.dispose]()
    this.#place = null
  }

  get #listener(): PublishingListener {
    const client = this.#client
    return {
      sendsAlways: client.sendsAlways,
      contractChanged: (contract) => {
        this.#contract = contract
        this.#place?.publisher?.bound(contract.abr).catch((error) => client.mediaFailed(error))
        client.contractChanged(contract)
      },
      contractEnded: (reason) => client.contractEnded(reason),
      takenOver: () => {
        this.#leave()
        client.takenOver()
      },
    }
  }
}
