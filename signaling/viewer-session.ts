import type { types } from 'mediasoup'
import type { Peer, ProtooRequest } from 'protoo-server'
import { z } from 'zod'
import { CodedError, messageOf } from '../common/errors.ts'
import type { StreamState } from '../common/wire/stream.ts'
import {
  type HubNotifications,
  type JoinAnswer,
  type ViewerRequests,
  viewerNotifications,
  viewerRequests,
} from '../common/wire/viewer-protocol.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { ROUTER_CODECS } from '../sfu/router-codecs.ts'
import type { CaptureClock, Stream, StreamObserver } from '../sfu/stream.ts'
import { Viewer, type ViewerListener } from '../sfu/viewer.ts'
import { RequestBudget } from './request-budget.ts'

/** Requests and notifications a viewer may send: 20 a second, 60 at once. A page needs about one a second. */
const REQUESTS_PER_SECOND = 20
const REQUEST_BURST = 60

/** One viewer's protoo connection: turns its requests into media and the stream's facts into notifications. */
export class ViewerSession implements StreamObserver, ViewerListener {
  readonly #peer: Peer
  readonly #stream: Stream
  readonly #events: MediaEvents
  readonly #stopObserving: () => void
  readonly #budget = new RequestBudget(REQUESTS_PER_SECOND, REQUEST_BURST, performance.now())
  #viewer: Viewer | null = null
  #joins: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(peer: Peer, stream: Stream, events: MediaEvents) {
    this.#peer = peer
    this.#stream = stream
    this.#events = events
    this.#stopObserving = stream.observe(this)
    peer.on('close', () => this.#close())
    peer.on('request', (request, accept, reject) => {
      this.#answer(request).then(accept, (error) => {
        if (!(error instanceof CodedError)) this.#events.error('signaling', 'request', error)
        const coded = error instanceof CodedError ? error : new CodedError('internal', 'the hub failed')
        reject(coded.status, `${coded.code}: ${[coded.message, ...coded.details].join('; ')}`)
      })
    })
    peer.on('notification', ({ method, data }) => this.#onNotification(method, data))
    events.viewerJoined(stream.spec)
    this.#notify('welcome', { router_rtp_capabilities: routerCapabilities(stream), stream: stream.state })
  }

  stateChanged(state: StreamState): void {
    this.#notify('stream', state)
  }

  laneChanged(): void {
    const viewer = this.#viewer
    if (!viewer) return
    if (viewer.slot !== this.#stream.slot) this.#rejoin(viewer, 'lane_moved')
    else this.#offerNew(viewer).catch((error) => this.#events.error('signaling', 'consume', error))
  }

  captureClock(clock: CaptureClock): void {
    this.#notify('capture-clock', clock)
  }

  transportLost(reason: string): void {
    this.#viewer = null
    this.#notify('rejoin', { reason })
  }

  consumerClosed(consumerId: string): void {
    this.#notify('consumer-closed', { consumer_id: consumerId })
  }

  layerChanged(consumerId: string, spatialLayer: number | null): void {
    this.#notify('consumer-layer', { consumer_id: consumerId, spatial_layer: spatialLayer })
  }

  async #answer(request: ProtooRequest): Promise<unknown> {
    if (!this.#budget.take(performance.now())) return this.#refuseFlood()
    const handler = this.#handlers[request.method as keyof ViewerRequests]
    if (!Object.hasOwn(this.#handlers, request.method) || !handler)
      throw new CodedError('unknown_method', `there is no request "${String(request.method).slice(0, 40)}"`, {
        status: 404,
        details: [`allowed: ${Object.keys(this.#handlers).join(', ')}`],
      })
    return handler(request.data ?? {})
  }

  readonly #handlers: { [Method in keyof ViewerRequests]: (data: unknown) => Promise<unknown> } = {
    join: async (data) => {
      const { rtp_capabilities } = parse(viewerRequests.join, data)
      // Joins run one after the other: a viewer that sends two gets the second one's transport, and only that.
      const joined = this.#joins.then(() => this.#join(rtp_capabilities as types.RtpCapabilities))
      this.#joins = joined.catch(() => {})
      return joined
    },
    'connect-transport': async (data) => {
      const { transport_id, dtls_parameters } = parse(viewerRequests['connect-transport'], data)
      if (this.#viewer?.transportId !== transport_id)
        throw new CodedError('unknown_transport', 'that transport is gone: join again', { status: 404 })
      await this.#viewer.connect(dtls_parameters as types.DtlsParameters)
      return {}
    },
    'request-keyframe': async (data) => {
      await this.#joinedViewer().requestKeyframe(parse(viewerRequests['request-keyframe'], data).consumer_id)
      return {}
    },
    clock: async (data) => {
      parse(viewerRequests.clock, data)
      return { hub_unix_ms: performance.timeOrigin + performance.now() }
    },
  }

  async #join(capabilities: types.RtpCapabilities): Promise<JoinAnswer> {
    this.#viewer?.[Symbol.dispose]()
    this.#viewer = null
    const viewer = await Viewer.open(this.#stream, capabilities, this)
    try {
      const consumers = await viewer.consumeLane(false)
      if (this.#closed) throw new CodedError('gone', 'the connection closed', { status: 410 })
      this.#viewer = viewer
      // Nobody was there to be told of a lane that was made anew meanwhile; its consumers follow this answer.
      if (!viewer.consumesLane) setImmediate(() => this.laneChanged())
      if (this.#stream.captureClock) this.#notify('capture-clock', this.#stream.captureClock)
      return { transport: viewer.describe(), consumers, stream: this.#stream.state }
    } catch (error) {
      viewer[Symbol.dispose]()
      throw error
    }
  }

  async #offerNew(viewer: Viewer): Promise<void> {
    try {
      for (const info of await viewer.consumeLane(true)) {
        await this.#peer.request('consume', info)
        await viewer.resume(info.consumer_id)
      }
    } catch (error) {
      // A viewer that leaves or joins anew while it is being offered something is no failure.
      if (this.#viewer === viewer) throw error
    }
  }

  #rejoin(viewer: Viewer, reason: string): void {
    this.#viewer = null
    viewer[Symbol.dispose]()
    this.#notify('rejoin', { reason })
  }

  #onNotification(method: string, data: unknown): void {
    const report = method === 'report' ? viewerNotifications.report.safeParse(data) : null
    if (!this.#budget.take(performance.now())) this.#refuseFlood()
    else if (report?.success)
      this.#events.viewerReport(this.#stream.spec, this.#stream.spec.streamClass, report.data)
    else this.#events.rejected(this.#stream.spec, 'bad_message', `notification ${method.slice(0, 40)}`)
  }

  #refuseFlood(): never | undefined {
    this.#events.rejected(this.#stream.spec, 'flood', 'a viewer sent too many messages and was cut off')
    this.#peer.close()
    return undefined
  }

  #joinedViewer(): Viewer {
    if (!this.#viewer) throw new CodedError('not_joined', 'send join first', { status: 409 })
    return this.#viewer
  }

  #notify<Method extends keyof HubNotifications>(method: Method, data: HubNotifications[Method]): void {
    if (!this.#peer.closed)
      this.#peer.notify(method, data).catch((error) => {
        if (!this.#peer.closed) this.#events.error('signaling', 'notify', messageOf(error))
      })
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopObserving()
    this.#viewer?.[Symbol.dispose]()
    this.#viewer = null
    this.#events.viewerLeft(this.#stream.spec)
  }
}

/** The same on every router of the hub, as all have the same codecs; empty only while no worker is up. */
function routerCapabilities(stream: Stream): Record<string, unknown> {
  const slot = stream.home()
  return slot ? { ...slot.router.rtpCapabilities } : { codecs: ROUTER_CODECS, headerExtensions: [] }
}

function parse<Schema extends z.ZodType>(schema: Schema, data: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(data)
  if (parsed.success) return parsed.data
  throw new CodedError('bad_request', 'the request does not fit its schema', {
    status: 400,
    details: z.prettifyError(parsed.error).split('\n').slice(0, 10),
  })
}
