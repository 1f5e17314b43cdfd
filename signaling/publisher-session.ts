import type { types } from 'mediasoup'
import type { Peer } from 'protoo-server'
import { CodedError } from '../common/errors.ts'
import type { FlowContract } from '../common/wire/flow-contract.ts'
import {
  type HubToPublisher,
  type LayerDemand,
  type PublishAnswer,
  type PublisherRequests,
  publisherNotifications,
  publisherRequests,
  type ReceivedAnswer,
} from '../common/wire/publisher-protocol.ts'
import type { StreamState } from '../common/wire/stream.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { Publisher, type PublisherListener } from '../sfu/publisher.ts'
import type { PublisherControl } from '../sfu/stream-source.ts'
import { HUB_CLOCK } from './hub-clock.ts'
import { parseData } from './protoo-request.ts'
import type { PublisherAdmission, PublisherPlace, PublishingListener } from './publisher-admission.ts'
import { RequestBudget } from './request-budget.ts'
import { connectionGone, SessionPeer } from './session-peer.ts'
import { ViewerCount } from './viewer-count.ts'

/** Requests and notifications a publisher may send: 40 a second, 120 at once. */
const REQUESTS_PER_SECOND = 40
const REQUEST_BURST = 120
/** Data messages, which go to every viewer: 10 a second, 30 at once. */
const DATA_PER_SECOND = 10
const DATA_BURST = 30

export interface PublisherSessionDependencies {
  readonly admission: PublisherAdmission
  readonly events: MediaEvents
}

/**
 * One publisher's protoo connection: of a browser, whose media comes over a transport of the hub, or of a field sender,
 * which only hears what is wanted. Its first request, `publish`, shows the ticket of a contract.
 */
export class PublisherSession implements PublisherControl, PublisherListener, PublishingListener {
  readonly #peer: SessionPeer<HubToPublisher>
  readonly #admission: PublisherAdmission
  readonly #events: MediaEvents
  readonly #dataBudget = new RequestBudget(DATA_PER_SECOND, DATA_BURST, performance.now())
  readonly #viewers = new ViewerCount((count) => this.#peer.notify('viewers', { count }))
  answersKeyframes = true
  /** Browsers and encoders leave out what nobody watches, when they are told. */
  readonly sendsAlways = false
  #place: PublisherPlace | null = null
  #contract: FlowContract | null = null
  #control: Disposable | null = null
  #publishing: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(peer: Peer, { admission, events }: PublisherSessionDependencies) {
    this.#admission = admission
    this.#events = events
    const session = this
    this.#peer = new SessionPeer(peer, {
      role: 'publisher',
      handlers: this.#handlers,
      notified: { report: (data) => this.#onReport(data) },
      perSecond: REQUESTS_PER_SECOND,
      burst: REQUEST_BURST,
      events,
      get streamName() {
        return session.#place?.stream.spec ?? null
      },
      closed: () => this.#close(),
    })
  }

  requestKeyframe(rendition: number | null): void {
    this.#peer.notify('keyframe-request', { rendition })
  }

  demanded(demand: LayerDemand): void {
    this.#peer.notify('demand', demand)
  }

  viewersChanged(count: number): void {
    this.#viewers.set(count)
  }

  stateChanged(state: StreamState): void {
    this.#peer.notify('stream', state)
  }

  contractChanged(contract: FlowContract): void {
    this.#contract = contract
    this.#place?.publisher
      ?.bound(contract.abr)
      .catch((error) => this.#events.error('signaling', 'publisher_abr', error))
    this.#peer.notify('contract-changed', { contract })
  }

  contractEnded(reason: 'expired' | 'revoked'): void {
    this.#peer.notify('contract-ended', { reason })
    this.#peer.closeSoon()
  }

  takenOver(): void {
    this.#leave()
    this.#peer.close()
  }

  transportLost(reason: string): void {
    this.#peer.notify('republish', { reason })
  }

  readonly #handlers: { [Method in keyof PublisherRequests]: (data: unknown) => Promise<unknown> } = {
    publish: async (data) => {
      const request = parseData(publisherRequests.publish, data)
      // One after the other: a publisher that asks twice gets only the second transport.
      const published = this.#publishing.then(() => this.#publish(request))
      this.#publishing = published.catch(() => {})
      return published
    },
    'connect-transport': async (data) => {
      const { transport_id, dtls_parameters } = parseData(publisherRequests['connect-transport'], data)
      await this.#publisher(transport_id).end.connect(dtls_parameters as types.DtlsParameters)
      return {}
    },
    produce: async (data) => {
      const { transport_id, kind, rtp_parameters, picture } = parseData(publisherRequests.produce, data)
      const publisher = this.#publisher(transport_id)
      if (picture) publisher.picture = picture
      // mediasoup checks the rest of the parameters' shape.
      const producer = await publisher.produce(kind, rtp_parameters as types.RtpParameters)
      return { producer_id: producer.id }
    },
    'close-producer': async (data) => {
      this.#publisher().closeProducer(parseData(publisherRequests['close-producer'], data).producer_id)
      return {}
    },
    'pause-producer': async (data) => {
      await this.#publisher().pause(parseData(publisherRequests['pause-producer'], data).producer_id)
      return {}
    },
    'resume-producer': async (data) => {
      await this.#publisher().resume(parseData(publisherRequests['resume-producer'], data).producer_id)
      return {}
    },
    data: async (data) => {
      const { payload, at_unix_ms } = parseData(publisherRequests.data, data)
      if (!this.#dataBudget.take(performance.now()))
        throw new CodedError('too_much_data', `at most ${DATA_PER_SECOND} data messages a second`)
      this.#joined().stream.sendData({ payload, at_unix_ms })
      return {}
    },
    unpublish: async (data) => {
      parseData(publisherRequests.unpublish, data)
      await this.#joined().end()
      return {}
    },
    received: async (data) => {
      parseData(publisherRequests.received, data)
      const { video, audio } = await this.#publisher().receivedKbps()
      return { video_kbps: [...video], audio_kbps: audio } satisfies ReceivedAnswer
    },
    clock: async (data) => {
      parseData(publisherRequests.clock, data)
      return { hub_unix_ms: HUB_CLOCK.now() }
    },
  }

  async #publish({
    ticket,
    publisher_id,
    transport_id,
    keyframes_on_request = true,
  }: PublisherRequests['publish']): Promise<PublishAnswer> {
    if (!this.#place) await this.#admission.look(ticket, publisher_id ?? null)
    const place = this.#admit(ticket, publisher_id ?? null)
    this.answersKeyframes = keyframes_on_request
    const { stream } = place
    const contract = this.#contract ?? place.contract
    const publisher =
      contract.transport === 'webrtc' ? await this.#mediaOf(place, contract, transport_id) : null
    return {
      contract,
      transport: publisher?.end.describe() ?? null,
      producer_ids: publisher?.producerIds ?? [],
      stream: stream.state,
      demand: stream.demand,
      viewers: stream.viewers,
    }
  }

  /** The place of the ticket. The first ticket decides for the whole connection. */
  #admit(ticket: string, publisherId: string | null): PublisherPlace {
    if (this.#closed) throw connectionGone()
    if (this.#place) {
      if (this.#place.contract.join.ticket === ticket) return this.#place
      throw new CodedError('ticket_changed', 'this connection published with another ticket')
    }
    const place = this.#admission.admit(ticket, publisherId, this)
    this.#place = place
    this.#contract = place.contract
    this.#control = place.stream.controlledBy(this)
    return place
  }

  /** The transport that the publisher still has, or a new one. */
  async #mediaOf(
    place: PublisherPlace,
    { abr }: FlowContract,
    transportId: string | undefined,
  ): Promise<Publisher> {
    const kept = place.publisher
    if (kept && kept.end.id === transportId) {
      kept.listener = this
      return kept
    }
    place.publisher = null
    const publisher = await Publisher.open(place.stream, abr, this)
    if (this.#closed || this.#place !== place) {
      await publisher[Symbol.asyncDispose]()
      throw connectionGone()
    }
    place.publisher = publisher
    return publisher
  }

  #onReport(data: unknown): boolean {
    const report = publisherNotifications.report.safeParse(data).data
    const place = this.#place
    if (!report || !place) return false
    const { publisher } = place
    if (publisher) {
      publisher.clockAheadMs = report.clock_ahead_ms
      publisher.picture = report.picture ?? publisher.picture
    }
    this.#events.publisherReport(place.stream.spec, report)
    return true
  }

  #joined(): PublisherPlace {
    if (!this.#place) throw new CodedError('not_publishing', 'send publish first')
    return this.#place
  }

  /** @throws CodedError `not_publishing` (409), `unknown_transport` (404) */
  #publisher(transportId?: string): Publisher {
    const { publisher } = this.#joined()
    if (!publisher || (transportId !== undefined && publisher.end.id !== transportId))
      throw new CodedError('unknown_transport', 'that transport is gone: publish again')
    return publisher
  }

  /** Gives the place back. Its media goes on for a while. */
  #leave(): void {
    this.#viewers[Symbol.dispose]()
    this.#control?.[Symbol.dispose]()
    this.#control = null
    this.#place?.[Symbol.dispose]()
    this.#place = null
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#leave()
  }
}
