import type { types } from 'mediasoup'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import type { Abr } from '../../common/wire/flow-contract.ts'
import type { ViewerMediaStatistics } from '../../common/wire/statistics-api.ts'
import type { StreamView } from '../../policy/viewed-stream.ts'
import { canEstimate } from '../../sfu/estimation.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import type { PayloadRouters } from '../../sfu/payload-routers.ts'
import { ReportedEstimate } from '../../sfu/reported-estimate.ts'
import type { Stream, StreamObserver } from '../../sfu/stream.ts'
import type {
  NewConsumer,
  UnplayableTrack,
  ViewedMedia,
  ViewedMediaListener,
} from '../../sfu/viewed-media.ts'
import { Viewer, type ViewerListener } from '../../sfu/viewer.ts'
import type { WorkerSlot } from '../../sfu/worker-pool.ts'
import { type AnsweredMedia, writeAnswer } from '../sdp/answer.ts'
import type { Offer } from '../sdp/offer.ts'
import type { SessionMedia } from '../sdp/sdp-session.ts'
import { type StreamCodecs, type ViewedTracks, viewedTracks } from '../sdp/viewed-tracks.ts'
import type { AdmittedViewer, ContractListener, ViewerAdmission } from '../viewer-admission.ts'

export interface WhepDependencies {
  readonly admission: ViewerAdmission
  readonly events: MediaEvents
  readonly routers: PayloadRouters
  readonly routerCapabilities: () => types.RtpCapabilities
  /** What a stream that has no media yet will have; null where nobody can know. */
  readonly expectedCodecs: (stream: Stream) => StreamCodecs | null
}

/** Who watches, and how. */
export interface WhepClient {
  readonly offer: Offer
  /**
   * Whether it takes an SSRC that was never declared for what its payload type says (RFC 9143 section 9.2): browsers
   * do, others may know none but those of the answer.
   */
  readonly followsPayloadTypes: boolean
}

/** A client that says nothing of its screen. */
const SHOWN: StreamView = { tile: null, visible: true, focused: false, audio: true, video: true }

/**
 * A WHEP client's media: one stream in the client's own payload types, for as long as its contract lasts. The client
 * can't be told of other tracks: what comes new is sent in the sections that it offered, and ends the session where
 * the client would not take it: in a codec that it did not agree on, or by an SSRC that it does not know.
 */
export class WhepViewing
  implements SessionMedia, StreamObserver, ViewerListener, ContractListener, ViewedMediaListener
{
  readonly #deps: WhepDependencies
  readonly #followsPayloadTypes: boolean
  readonly #over: () => void
  readonly #stack = new DisposableStack()
  #admitted: AdmittedViewer
  #viewer: Viewer | null = null
  #media: ViewedMedia | null = null
  #closed = false

  /** @throws CodedError `unknown_ticket` (401), `ticket_in_use` (409), `stream_not_found` (404) */
  private constructor(deps: WhepDependencies, ticket: string, client: WhepClient, over: () => void) {
    this.#deps = deps
    this.#followsPayloadTypes = client.followsPayloadTypes
    this.#over = over
    this.#admitted = deps.admission.admit(ticket, this)
    const { stream } = this.#admitted
    this.#stack.defer(() => this.#admitted[Symbol.dispose]())
    this.#stack.defer(() => deps.events.viewerLeft(stream.spec))
    deps.events.viewerJoined(stream.spec)
    this.#stack.defer(stream.observe(this))
  }

  /**
   * Answers an offer, by the ticket of a contract.
   * @param over called once, when the media ends
   * @throws CodedError `bad_sdp` (400), `unknown_ticket` (401), `no_common_codec` (406), `stream_not_live` or
   *   `ticket_in_use` (409), `saturated` or `no_worker` (503)
   */
  static async open(
    deps: WhepDependencies,
    ticket: string,
    client: WhepClient,
    over: () => void,
  ): Promise<{ readonly media: WhepViewing; readonly answer: string }> {
    const media = new WhepViewing(deps, ticket, client, over)
    try {
      return { media, answer: await media.#answer(client.offer) }
    } catch (error) {
      media[Symbol.dispose]()
      throw error
    }
  }

  get transport(): types.WebRtcTransport {
    return this.#viewer!.end.transport
  }

  /** Goes on under another contract on the same stream; the one before gives its place back. */
  renew(ticket: string): void {
    const before = this.#admitted
    const next = this.#deps.admission.admit(ticket, this)
    if (this.#closed) return next[Symbol.dispose]()
    this.#admitted = next
    this.#noteConnected()
    before.leave()
    this.#bound(next.abr)
  }

  stateChanged(): void {}

  captureClock(): void {}

  dataArrived(): void {}

  producersChanged(): void {
    if (!this.#media) return
    if (!this.#followsPayloadTypes) return this[Symbol.dispose]()
    this.#media.consume(false).catch((error) => {
      if (this.#closed) return
      if (!(error instanceof CodedError)) this.#deps.events.error('whep', 'consume', error)
      this[Symbol.dispose]()
    })
  }

  abrChanged(abr: Abr): void {
    this.#bound(abr)
  }

  priorityChanged(priority: number): void {
    this.#media?.setPriority(priority)
  }

  async statistics(): Promise<ViewerMediaStatistics | null> {
    const [viewer, media] = [this.#viewer, this.#media]
    return viewer && media && !this.#closed ? viewer.statistics(media) : null
  }

  contractEnded(): void {
    this[Symbol.dispose]()
  }

  transportLost(): void {
    this[Symbol.dispose]()
  }

  mediaFailed(error: unknown): void {
    this.#deps.events.error('whep', 'media', error)
  }

  /** It did not agree on the codec of what came new. */
  unplayable(tracks: readonly UnplayableTrack[]): void {
    if (tracks.length > 0) this[Symbol.dispose]()
  }

  consumerClosed(): void {}

  consumersDue(): void {
    this.producersChanged()
  }

  layerChanged(): void {}

  pictureChanged(): void {}

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    this.#stack.dispose()
    this.#over()
  }

  async #answer(offer: Offer): Promise<string> {
    const { stream, abr, priority } = this.#admitted
    const tracks = this.#tracksOf(offer, stream)
    const viewer = await Viewer.open(
      stream,
      abr.start_kbps,
      {
        capabilities: tracks.capabilities,
        routerOn: (slot) => this.#routerOn(slot, tracks),
        kinds: tracks.answers.map(({ kind }) => kind),
        mids: tracks.mids,
      },
      this,
    )
    if (this.#closed) viewer[Symbol.dispose]()
    else this.#stack.use(viewer)
    this.#refuseIfOver()
    this.#viewer = viewer
    // Until its client is there, its place gives way where there are too many.
    viewer.end.transport.observer.on('dtlsstatechange', () => this.#noteConnected())
    await viewer.end.connect(offer.dtls)
    const media = viewer.add(stream, { abr, priority, view: served(tracks) }, this)
    this.#media = media
    if (!canEstimate(tracks.capabilities))
      this.#stack.use(
        new ReportedEstimate(abr.start_kbps, {
          video: () => media.video,
          goalKbps: () => viewer.goalKbps,
          estimated: (kbps) => viewer.estimated(kbps),
        }),
      )
    const [consumers] = await Promise.all([media.consume(false), viewer.bound()])
    this.#refuseIfOver()
    if (!media.complete) setImmediate(() => this.producersChanged())
    if (this.#followsPayloadTypes) return writeAnswer(offer, viewer.end.transport, tracks.answers)
    const answers = tracks.answers.map((answer) => {
      const source = sourceOf(consumers.find(({ kind }) => kind === answer.kind))
      return source ? { ...answer, source } : answer
    })
    return writeAnswer(offer, viewer.end.transport, answers)
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
    if (this.#closed) lease[Symbol.dispose]()
    else this.#stack.use(lease)
    this.#refuseIfOver()
    return lease.router
  }

  #noteConnected(): void {
    if (this.#viewer?.end.transport.dtlsState === 'connected') this.#admitted.connected()
  }

  #refuseIfOver(): void {
    if (this.#closed) throw new CodedError('gone', 'the contract or the worker ended meanwhile')
  }

  #bound(abr: Abr): void {
    const [viewer, media] = [this.#viewer, this.#media]
    if (!viewer || !media || this.#closed) return
    media.terms = { ...media.terms, abr }
    viewer.bound()
  }
}

const sourceSchema = z.object({
  encodings: z.array(z.object({ ssrc: z.number() })).min(1),
  rtcp: z.object({ cname: z.string() }),
})

function sourceOf(consumer: NewConsumer | undefined): AnsweredMedia['source'] {
  const parameters = sourceSchema.safeParse(consumer?.rtp_parameters).data
  return parameters && { ssrc: parameters.encodings[0]!.ssrc, cname: parameters.rtcp.cname }
}

/** What the client offered no section for is not sent. */
function served({ answers }: ViewedTracks): StreamView {
  const has = (kind: types.MediaKind) => answers.some((answer) => answer.kind === kind)
  return { ...SHOWN, audio: has('audio'), video: has('video') }
}
