import type { types } from 'mediasoup'
import { CodedError } from '../../common/errors.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import type { WebRtcEnd } from '../../sfu/web-rtc-end.ts'
import type { PublisherAdmission } from '../publisher-admission.ts'
import { Publishing, type PublishingClient } from '../publishing.ts'
import { writeAnswer } from '../sdp/answer.ts'
import type { Offer } from '../sdp/offer.ts'
import type { PublishedTrack } from '../sdp/published-tracks.ts'
import type { SessionMedia } from '../sdp/sdp-session.ts'

/** A publisher that sends nothing for this long has lost its path, s. */
const LIFE_WITHIN_S = 10

export interface WhipDependencies {
  readonly admission: PublisherAdmission
  readonly events: MediaEvents
}

/** A WHIP client's media: the place of its contract, and a transport with its producers; RFC 9725. */
export class WhipPublishing implements SessionMedia, PublishingClient {
  readonly sendsAlways = true
  readonly signOfLife = { by: 'arrival', withinS: LIFE_WITHIN_S } as const
  readonly #events: MediaEvents
  readonly #over: () => void
  readonly #stack = new DisposableStack()
  readonly #publishing: Publishing
  #end: WebRtcEnd | null = null

  private constructor({ admission, events }: WhipDependencies, over: () => void) {
    this.#events = events
    this.#over = over
    this.#publishing = this.#stack.adopt(new Publishing(admission, this), (publishing) => publishing.stop())
  }

  /**
   * Publishes an offer by the ticket of a contract.
   * @param tracks the accepted tracks of the offer
   * @param over called once, when the media ends
   * @throws CodedError `bad_rtp_parameters` (400), `unknown_ticket` (401), `stream_taken` or `other_transport` (409),
   *   `gone` (410), `layers_not_supported` (415), `no_worker` (503)
   */
  static async open(
    deps: WhipDependencies,
    ticket: string,
    offer: Offer,
    tracks: readonly PublishedTrack[],
    over: () => void,
  ): Promise<{ readonly media: WhipPublishing; readonly answer: string }> {
    const media = new WhipPublishing(deps, over)
    try {
      return { media, answer: await media.#answer(ticket, offer, tracks) }
    } catch (error) {
      media[Symbol.dispose]()
      throw error
    }
  }

  get transport(): types.WebRtcTransport {
    return this.#end!.transport
  }

  contractChanged(): void {}

  contractEnded(): void {
    this[Symbol.dispose]()
  }

  takenOver(): void {
    this[Symbol.dispose]()
  }

  transportLost(): void {
    this[Symbol.dispose]()
  }

  mediaFailed(error: unknown): void {
    this.#events.error('whip', 'abr', error)
  }

  /** The contract goes on without media: its holder may come back. */
  [Symbol.dispose](): void {
    if (this.#stack.disposed) return
    this.#stack.dispose()
    this.#over()
  }

  async #answer(ticket: string, offer: Offer, tracks: readonly PublishedTrack[]): Promise<string> {
    const { contract, publisher } = await this.#publishing.publish({ ticket, publisherId: null })
    if (!publisher)
      throw new CodedError('other_transport', `the contract is for ${contract.transport}, not for WebRTC`, {
        details: ['ask for a contract with preferred_transports ["webrtc"]'],
      })
    this.#end = publisher.end
    await publisher.end.connect(offer.dtls)
    // One after the other: a publisher has one list of producers.
    for (const { kind, rtpParameters } of tracks) await publisher.produce(kind, rtpParameters)
    if (this.#stack.disposed || !publisher.alive) throw publisher.end.gone()
    return writeAnswer(
      offer,
      publisher.end.transport,
      tracks.map((track) =>
        track.kind === 'video' ? { ...track.answer, maxKbps: contract.abr.max_kbps } : track.answer,
      ),
    )
  }
}
