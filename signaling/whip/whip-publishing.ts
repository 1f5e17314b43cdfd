import type { types } from 'mediasoup'
import { CodedError } from '../../common/errors.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import { Publisher, type PublisherListener } from '../../sfu/publisher.ts'
import type { PublisherAdmission, PublisherPlace, PublishingListener } from '../publisher-admission.ts'
import { writeAnswer } from '../sdp/answer.ts'
import type { Offer } from '../sdp/offer.ts'
import type { PublishedTrack } from '../sdp/published-tracks.ts'
import type { SessionMedia } from '../sdp/sdp-session.ts'

export interface WhipDependencies {
  readonly admission: PublisherAdmission
  readonly events: MediaEvents
}

/** A WHIP client's media: it holds the place of its contract and a transport with its producers; RFC 9725. */
export class WhipPublishing implements SessionMedia, PublishingListener, PublisherListener {
  readonly #place: PublisherPlace
  readonly #publisher: Publisher
  readonly #events: MediaEvents
  readonly #over: () => void
  readonly sendsAlways = true
  #closed = false

  private constructor(place: PublisherPlace, publisher: Publisher, events: MediaEvents, over: () => void) {
    this.#place = place
    this.#publisher = publisher
    this.#events = events
    this.#over = over
  }

  /**
   * Takes an offer in, by the ticket of a contract.
   * @param tracks what of the offer is taken
   * @param over called once, when the media ends by itself
   * @throws CodedError `bad_rtp_parameters` (400), `unknown_ticket` (401), `stream_taken` or `other_transport` (409),
   *   `layers_not_supported` (415), `no_worker` (503)
   */
  static async open(
    { admission, events }: WhipDependencies,
    ticket: string,
    offer: Offer,
    tracks: readonly PublishedTrack[],
    over: () => void,
  ): Promise<{ readonly media: WhipPublishing; readonly answer: string }> {
    let media: WhipPublishing | null = null
    let early = false
    // Nothing can be told of media that is still being made.
    const ended = () => {
      early = true
      media?.[Symbol.dispose]()
    }
    const listener: PublishingListener & PublisherListener = {
      sendsAlways: true,
      contractChanged: (contract) => media?.contractChanged(contract),
      contractEnded: ended,
      takenOver: ended,
      transportLost: ended,
    }
    await admission.look(ticket, null)
    const place = admission.admit(ticket, null, listener)
    try {
      const { stream, contract } = place
      if (contract.transport !== 'webrtc')
        throw new CodedError('other_transport', `the contract is for ${contract.transport}, not for WebRTC`, {
          details: ['ask for a contract with preferred_transports ["webrtc"]'],
        })
      const publisher = await Publisher.open(stream, contract.abr, listener)
      place.publisher = publisher
      await publisher.end.connect(offer.dtls)
      // One after the other: a publisher has one list of producers.
      for (const { kind, rtpParameters } of tracks) await publisher.produce(kind, rtpParameters)
      if (early || !publisher.alive) throw new CodedError('gone', 'the contract ended meanwhile')
      const answer = writeAnswer(
        offer,
        publisher.end.transport,
        tracks.map((track) =>
          track.kind === 'video' ? { ...track.answer, maxKbps: contract.abr.max_kbps } : track.answer,
        ),
      )
      media = new WhipPublishing(place, publisher, events, over)
      return { media, answer }
    } catch (error) {
      place.publisher = null
      place[Symbol.dispose]()
      throw error
    }
  }

  get transport(): types.WebRtcTransport {
    return this.#publisher.end.transport
  }

  contractChanged({ abr }: FlowContract): void {
    this.#publisher.bound(abr).catch((error) => this.#events.error('whip', 'abr', error))
  }

  contractEnded(): void {
    this[Symbol.dispose]()
  }

  takenOver(): void {
    this[Symbol.dispose]()
  }

  transportLost(): void {
    this[Symbol.dispose]()
  }

  /** The contract goes on without media: its holder may come back. */
  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#place.publisher === this.#publisher || !this.#publisher.alive) this.#place.publisher = null
    this.#place[Symbol.dispose]()
    this.#over()
  }
}
