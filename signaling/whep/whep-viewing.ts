import type { types } from 'mediasoup'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import type { ConsumerInfo, HubNews } from '../../common/wire/viewer-protocol.ts'
import { DeliveryReports } from '../../sfu/delivery-reports.ts'
import { canEstimate } from '../../sfu/estimation.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import type { PayloadRouters } from '../../sfu/payload-routers.ts'
import type { Stream } from '../../sfu/stream.ts'
import type { WebRtcEnd } from '../../sfu/web-rtc-end.ts'
import type { WorkerSlot } from '../../sfu/worker-pool.ts'
import { type AnsweredMedia, writeAnswer } from '../sdp/answer.ts'
import type { Offer } from '../sdp/offer.ts'
import type { SessionMedia } from '../sdp/sdp-session.ts'
import { type StreamCodecs, type ViewedTracks, viewedTracks } from '../sdp/viewed-tracks.ts'
import type { ViewerAdmission } from '../viewer-admission.ts'
import { Watching } from '../watching.ts'
import type { WatchingClient } from '../watching-client.ts'

export interface WhepDependencies {
  readonly admission: ViewerAdmission
  readonly events: MediaEvents
  readonly routers: PayloadRouters
  readonly routerCapabilities: () => types.RtpCapabilities
  /** The codecs that a stream without media will have; null where nobody can know. */
  readonly expectedCodecs: (stream: Stream) => StreamCodecs | null
}

/** A player sends an RTCP report at least every 5 s. One from which nothing comes for this long has lost its path, s. */
const LIFE_WITHIN_S = 15

/** Who watches, and how. */
export interface WhepClient {
  readonly offer: Offer
  /**
   * Whether the client takes an undeclared SSRC for what its payload type says (RFC 9143 section 9.2). Browsers do;
   * other clients may know only the SSRCs of the answer.
   */
  readonly followsPayloadTypes: boolean
}

/**
 * A WHEP client's media: one stream in the client's own payload types, as long as its contract lasts. The client can't
 * be told of other tracks: new tracks are sent in the sections that the client offered. A new track ends the session
 * where the client would not take it: in a codec on which they did not agree, or by an SSRC that the client does not
 * know.
 */
export class WhepViewing implements SessionMedia, WatchingClient {
  readonly #deps: WhepDependencies
  readonly #followsPayloadTypes: boolean
  readonly #over: () => void
  readonly #stack = new DisposableStack()
  readonly #watching: Watching
  #end: WebRtcEnd | null = null

  private constructor(deps: WhepDependencies, client: WhepClient, over: () => void) {
    this.#deps = deps
    this.#followsPayloadTypes = client.followsPayloadTypes
    this.#over = over
    this.#watching = this.#stack.use(new Watching(deps.admission, this))
  }

  /**
   * Answers an offer, by the ticket of a contract.
   * @param over called once, when the media ends
   * @throws CodedError `bad_sdp` (400), `unknown_ticket` (401), `no_common_codec` (406), `stream_not_live` or
   *   `ticket_in_use` (409), `gone` (410), `saturated` or `no_worker` (503)
   */
  static async open(
    deps: WhepDependencies,
    ticket: string,
    client: WhepClient,
    over: () => void,
  ): Promise<{ readonly media: WhepViewing; readonly answer: string }> {
    const media = new WhepViewing(deps, client, over)
    try {
      return { media, answer: await media.#answer(ticket, client.offer) }
    } catch (error) {
      media[Symbol.dispose]()
      throw error
    }
  }

  get transport(): types.WebRtcTransport {
    return this.#end!.transport
  }

  /** The tenant of the stream; empty once the contract is over. */
  get tenantId(): string {
    return this.#watching.all[0]?.stream.spec.tenantId ?? ''
  }

  get present(): boolean {
    return this.#end?.transport.dtlsState === 'connected'
  }

  /** Goes on under another contract on the same stream. The former contract gives its place back. */
  renew(ticket: string): void {
    const [watched] = this.#watching.all
    if (watched) this.#watching.renew(watched.contractId, ticket)
  }

  tell(...[method, data]: HubNews): void {
    if (method === 'unplayable' && data.tracks.length > 0) this[Symbol.dispose]()
    if (method === 'consumer-closed' && !this.#followsPayloadTypes) this[Symbol.dispose]()
  }

  async offer(): Promise<void> {
    if (!this.#followsPayloadTypes) this[Symbol.dispose]()
  }

  over(): void {
    this[Symbol.dispose]()
  }

  transportLost(): void {
    this[Symbol.dispose]()
  }

  mediaFailed(kind: 'consume' | 'media', error: unknown): void {
    if (!(error instanceof CodedError)) this.#deps.events.error('whep', kind, error)
    if (kind === 'consume') this[Symbol.dispose]()
  }

  disturbed(): void {}

  [Symbol.dispose](): void {
    if (this.#stack.disposed) return
    this.#stack.dispose()
    this.#over()
  }

  async #answer(ticket: string, offer: Offer): Promise<string> {
    const watched = this.#watching.admit(ticket, {})
    const tracks = this.#tracksOf(offer, watched.stream)
    const has = (kind: types.MediaKind) => tracks.answers.some((answer) => answer.kind === kind)
    // Kinds for which the client offered no section are not sent.
    watched.setView({ audio: has('audio'), video: has('video') })
    const { viewer, streams } = await this.#watching.join(ticket, {}, () => ({
      capabilities: tracks.capabilities,
      routerOn: (slot) => this.#routerOn(slot, tracks),
      kinds: tracks.answers.map(({ kind }) => kind),
      mids: tracks.mids,
      signOfLife: { by: 'arrival', withinS: LIFE_WITHIN_S } as const,
    }))
    this.#end = viewer.end
    const { transport } = viewer.end
    transport.observer.on('dtlsstatechange', () => {
      if (this.present) watched.connected()
    })
    await viewer.end.connect(offer.dtls)
    this.#refuseIfOver()
    if (!canEstimate(tracks.capabilities))
      this.#stack.use(
        new DeliveryReports({
          video: () => watched.media?.video,
          delivered: (report, passedMs) => viewer.delivered(report, passedMs),
        }),
      )
    if (this.#followsPayloadTypes) return writeAnswer(offer, transport, tracks.answers)
    const answers = tracks.answers.map((answer) => {
      const source = sourceOf(streams[0]?.consumers.find(({ kind }) => kind === answer.kind))
      return source ? { ...answer, source } : answer
    })
    return writeAnswer(offer, transport, answers)
  }

  #tracksOf(offer: Offer, stream: Stream): ViewedTracks {
    const producers = stream.producers()
    const codecOf = (kind: types.MediaKind) =>
      producers.find((producer) => producer.kind === kind)?.rtpParameters.codecs[0]?.mimeType ?? null
    const codecs =
      producers.length > 0
        ? { audio: codecOf('audio'), video: codecOf('video') }
        : this.#followsPayloadTypes
          ? this.#deps.expectedCodecs(stream)
          : null
    if (!codecs)
      throw new CodedError('stream_not_live', 'the stream has no media now, and nobody knows its codecs', {
        details: ['try again in a few seconds'],
        // A stream without media often gets media a moment later.
        retryAfterSeconds: 2,
      })
    const { headerExtensions = [] } = this.#deps.routerCapabilities()
    return viewedTracks(offer, codecs, headerExtensions, stream.spec.streamId)
  }

  async #routerOn(slot: WorkerSlot, { routerCodecs }: ViewedTracks): Promise<types.Router> {
    const lease = await this.#deps.routers.take(slot, routerCodecs)
    if (this.#stack.disposed) lease[Symbol.dispose]()
    else this.#stack.use(lease)
    this.#refuseIfOver()
    return lease.router
  }

  #refuseIfOver(): void {
    const over = new CodedError('gone', 'the contract ended meanwhile')
    if (this.#stack.disposed) throw this.#end?.gone(over) ?? over
  }
}

const sourceSchema = z.object({
  encodings: z.array(z.object({ ssrc: z.number() })).min(1),
  rtcp: z.object({ cname: z.string() }),
})

function sourceOf(consumer: ConsumerInfo | undefined): AnsweredMedia['source'] {
  const parameters = sourceSchema.safeParse(consumer?.rtp_parameters).data
  return parameters && { ssrc: parameters.encodings[0]!.ssrc, cname: parameters.rtcp.cname }
}
