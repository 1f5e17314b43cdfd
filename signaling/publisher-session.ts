import type { types } from 'mediasoup'
import type { Peer } from 'protoo-server'
import { CodedError, messageOf } from '../common/errors.ts'
import { directAnswer } from '../common/wire/direct.ts'
import type { FlowContract } from '../common/wire/flow-contract.ts'
import type { LinkArrivals } from '../common/wire/link-arrivals.ts'
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
import type { Publisher } from '../sfu/publisher.ts'
import { refuseOtherCodec } from '../sfu/router-codecs.ts'
import type { DirectSender, PublisherControl } from '../sfu/stream-source.ts'
import { HUB_CLOCK } from './hub-clock.ts'
import { parseData } from './protoo-request.ts'
import type { PublisherAdmission, PublisherPlace } from './publisher-admission.ts'
import { Publishing, type PublishingClient } from './publishing.ts'
import { RequestBudget } from './request-budget.ts'
import { RestartBudget } from './restart-budget.ts'
import { SessionPeer } from './session-peer.ts'
import { ViewerCount } from './viewer-count.ts'

/** Requests and notifications a publisher may send: 40 a second, 120 at once. */
const REQUESTS_PER_SECOND = 40
const REQUEST_BURST = 120
/** Data messages, which go to every viewer: 10 a second, 30 at once. */
const DATA_PER_SECOND = 10
const DATA_BURST = 30

export interface PublisherSessionDependencies {
  /** Where the connection comes from; null where nobody knows. */
  readonly address: string | null
  readonly admission: PublisherAdmission
  readonly events: MediaEvents
}

/**
 * One publisher's protoo connection: of a browser, whose media comes over a transport of the hub, or of a field sender,
 * which only hears what is wanted. Its first request, `publish`, shows the ticket of a contract.
 */
export class PublisherSession implements PublisherControl, PublishingClient {
  readonly #peer: SessionPeer<HubToPublisher>
  readonly #address: string | null
  readonly #events: MediaEvents
  readonly #dataBudget = new RequestBudget(DATA_PER_SECOND, DATA_BURST, performance.now())
  readonly #restarts = new RestartBudget()
  readonly #viewers = new ViewerCount((count) => this.#peer.notify('viewers', { count }))
  answersKeyframes = true
  direct: DirectSender | null = null
  /** Browsers and encoders leave out what nobody watches, when they are told. */
  readonly sendsAlways = false
  readonly #stack = new DisposableStack()
  readonly #publishing: Publishing
  /** The last `publish`; never rejects. */
  #work: Promise<unknown> = Promise.resolve()

  constructor(peer: Peer, { address, admission, events }: PublisherSessionDependencies) {
    this.#address = address
    this.#events = events
    this.#publishing = this.#stack.use(new Publishing(admission, this))
    this.#stack.use(this.#viewers)
    const session = this
    this.#peer = new SessionPeer(peer, {
      role: 'publisher',
      handlers: this.#handlers,
      notified: { report: (data) => this.#onReport(data), ways: (data) => this.#onWays(data) },
      perSecond: REQUESTS_PER_SECOND,
      burst: REQUEST_BURST,
      events,
      get streamName() {
        return session.#publishing.place?.stream.spec ?? null
      },
      closed: () => this.#stack.dispose(),
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

  arrived(arrivals: LinkArrivals): void {
    this.#peer.notify('arrivals', arrivals)
  }

  admitted({ stream }: PublisherPlace): void {
    this.#stack.use(stream.controlledBy(this))
  }

  mediaFailed(error: unknown): void {
    this.#events.error('signaling', 'publisher_abr', error)
  }

  contractChanged(contract: FlowContract): void {
    this.#peer.notify('contract-changed', { contract })
  }

  contractEnded(reason: 'expired' | 'revoked'): void {
    this.#peer.notify('contract-ended', { reason })
    this.#peer.closeSoon()
  }

  takenOver(): void {
    this.#stack.dispose()
    this.#peer.close()
  }

  pathLost(): void {
    const id = this.#publishing.place?.publisher?.end.id
    if (id !== undefined) this.#peer.notify('path-lost', { transport_id: id })
  }

  transportLost(reason: string): void {
    this.#peer.notify('republish', { reason })
  }

  readonly #handlers: { [Method in keyof PublisherRequests]: (data: unknown) => Promise<unknown> } = {
    publish: async (data) => {
      const request = parseData(publisherRequests.publish, data)
      // One after the other: a publisher that asks twice gets only the second transport.
      const published = this.#work.then(() => this.#publish(request))
      this.#work = published.catch(() => {})
      return published
    },
    'connect-transport': async (data) => {
      const { transport_id, dtls_parameters } = parseData(publisherRequests['connect-transport'], data)
      await this.#publisher(transport_id).end.connect(dtls_parameters as types.DtlsParameters)
      return {}
    },
    'restart-ice': async (data) => {
      const { transport_id, reason } = parseData(publisherRequests['restart-ice'], data)
      const { end } = this.#publisher(transport_id)
      this.#restarts.take()
      const answer = await end.restartIce()
      const place = this.#joined()
      this.#events.iceRestarted(place.stream.spec, { of: 'publisher', reason })
      return { ...answer, ice_servers: place.ice().ice_servers }
    },
    produce: async (data) => {
      const { transport_id, kind, rtp_parameters, picture } = parseData(publisherRequests.produce, data)
      const publisher = this.#publisher(transport_id)
      const { input, video_codec } = this.#joined().contract
      // An input of a program may have viewers of its own, whatever its codec; then the program leaves it out.
      if (input) refuseOtherCodec(video_codec, kind, rtp_parameters as types.RtpParameters)
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
    direct = false,
  }: PublisherRequests['publish']): Promise<PublishAnswer> {
    this.answersKeyframes = keyframes_on_request
    this.direct = direct ? this.#directSender() : null
    const asked = { ticket, publisherId: publisher_id ?? null, transportId: transport_id }
    const { place, contract, publisher } = await this.#publishing.publish(asked)
    const { stream } = place
    return {
      contract,
      transport: publisher?.end.describe() ?? null,
      producer_ids: publisher?.producerIds ?? [],
      stream: stream.state,
      demand: stream.demand,
      viewers: stream.viewers,
    }
  }

  #directSender(): DirectSender {
    return {
      address: this.#address,
      offer: async (viewer, sdp) => {
        const answered = await this.#peer.request('direct-offer', { viewer, sdp }).catch((error: unknown) => {
          throw new CodedError('direct_unavailable', messageOf(error))
        })
        const answer = directAnswer.safeParse(answered)
        if (answer.success) return answer.data
        throw new CodedError('direct_unavailable', "the sender's answer is not understood")
      },
      leave: (viewer) => this.#peer.notify('direct-leave', { viewer }),
    }
  }

  #onReport(data: unknown): boolean {
    const report = publisherNotifications.report.safeParse(data).data
    const { place } = this.#publishing
    if (!report || !place) return false
    const { publisher } = place
    if (publisher) {
      publisher.clockAheadMs = report.clock_ahead_ms
      publisher.picture = report.picture ?? publisher.picture
    }
    this.#events.publisherReport(place.stream.spec, report)
    return true
  }

  #onWays(data: unknown): boolean {
    const report = publisherNotifications.ways.safeParse(data).data
    const { place } = this.#publishing
    if (!report || !place) return false
    place.reportWays(report)
    return true
  }

  #joined(): PublisherPlace {
    const { place } = this.#publishing
    if (!place) throw new CodedError('not_publishing', 'send publish first')
    return place
  }

  /** @throws CodedError `not_publishing` (409), `unknown_transport` (404) */
  #publisher(transportId?: string): Publisher {
    const { publisher } = this.#joined()
    if (!publisher || (transportId !== undefined && publisher.end.id !== transportId))
      throw new CodedError('unknown_transport', 'that transport is gone: publish again')
    return publisher
  }
}
