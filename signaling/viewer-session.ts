import type { types } from 'mediasoup'
import type { Peer, ProtooRequest } from 'protoo-server'
import { z } from 'zod'
import { CodedError, messageOf } from '../common/errors.ts'
import type { Abr } from '../common/wire/flow-contract.ts'
import type { TimedData } from '../common/wire/publisher-protocol.ts'
import type { StreamState } from '../common/wire/stream.ts'
import {
  type HubNotifications,
  type JoinAnswer,
  type ViewerRequests,
  viewerNotifications,
  viewerRequests,
} from '../common/wire/viewer-protocol.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import type { Stream, StreamObserver } from '../sfu/stream.ts'
import type { CaptureClock } from '../sfu/stream-source.ts'
import { Viewer, type ViewerListener } from '../sfu/viewer.ts'
import { RequestBudget } from './request-budget.ts'
import type { ContractListener, ViewerAdmission } from './viewer-admission.ts'

/** Requests and notifications a viewer may send: 20 a second, 60 at once. A page needs about one a second. */
const REQUESTS_PER_SECOND = 20
const REQUEST_BURST = 60

/** A connection that does not join within this time is closed. */
const JOIN_WITHIN_MS = 15_000

export interface ViewerSessionDependencies {
  readonly admission: ViewerAdmission
  readonly events: MediaEvents
}

/**
 * One viewer's protoo connection: turns its requests into media and the stream's facts into notifications. It is
 * nobody's until its first `join` shows the ticket of a contract.
 */
export class ViewerSession implements StreamObserver, ViewerListener, ContractListener {
  readonly #peer: Peer
  readonly #admission: ViewerAdmission
  readonly #events: MediaEvents
  readonly #budget = new RequestBudget(REQUESTS_PER_SECOND, REQUEST_BURST, performance.now())
  readonly #joinTimer: NodeJS.Timeout
  #admitted: { readonly ticket: string; readonly stream: Stream; readonly place: Disposable } | null = null
  #abr: Abr | null = null
  #viewer: Viewer | null = null
  #joins: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(peer: Peer, { admission, events }: ViewerSessionDependencies) {
    this.#peer = peer
    this.#admission = admission
    this.#events = events
    this.#joinTimer = setTimeout(() => peer.close(), JOIN_WITHIN_MS)
    peer.on('close', () => this.#close())
    peer.on('request', (request, accept, reject) => {
      this.#answer(request).then(accept, (error) => {
        if (!(error instanceof CodedError)) this.#events.error('signaling', 'request', error)
        const coded = error instanceof CodedError ? error : new CodedError('internal', 'the hub failed')
        reject(coded.status, `${coded.code}: ${[coded.message, ...coded.details].join('; ')}`)
      })
    })
    peer.on('notification', ({ method, data }) => this.#onNotification(method, data))
  }

  stateChanged(state: StreamState): void {
    this.#notify('stream', state)
  }

  laneChanged(): void {
    const viewer = this.#viewer
    if (!viewer) return
    this.#offerNew(viewer).catch((error) => this.#events.error('signaling', 'consume', error))
  }

  captureClock(clock: CaptureClock): void {
    this.#notify('capture-clock', clock)
  }

  dataArrived(data: TimedData): void {
    this.#notify('data', data)
  }

  abrChanged(abr: Abr, reasons: readonly string[]): void {
    this.#abr = abr
    this.#viewer?.bound(abr).catch((error) => this.#events.error('signaling', 'abr', error))
    this.#notify('abr-changed', { abr, reasons: [...reasons] })
  }

  contractEnded(reason: 'expired' | 'revoked'): void {
    this.#viewer?.[Symbol.dispose]()
    this.#viewer = null
    this.#notify('contract-ended', { reason })
    // The notification leaves first; the WebSocket closes when it has.
    setImmediate(() => this.#peer.close())
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
      const { ticket, rtp_capabilities } = parse(viewerRequests.join, data)
      // Joins run one after the other: a viewer that sends two gets the second one's transport, and only that.
      const joined = this.#joins.then(() => this.#join(ticket, rtp_capabilities as types.RtpCapabilities))
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

  async #join(ticket: string, capabilities: types.RtpCapabilities): Promise<JoinAnswer> {
    const stream = this.#admit(ticket)
    this.#viewer?.[Symbol.dispose]()
    this.#viewer = null
    const abr = this.#abr!
    const viewer = await Viewer.open(stream, abr, capabilities, this)
    try {
      const [consumers] = await Promise.all([viewer.consumeLane(false), viewer.bound(abr)])
      if (this.#closed) throw new CodedError('gone', 'the connection closed', { status: 410 })
      this.#viewer = viewer
      // Nobody was there to be told of a lane that was made anew meanwhile; its consumers follow this answer.
      if (!viewer.consumesLane) setImmediate(() => this.laneChanged())
      if (stream.captureClock) this.#notify('capture-clock', stream.captureClock)
      return { transport: viewer.describe(), consumers, stream: stream.state, abr }
    } catch (error) {
      viewer[Symbol.dispose]()
      throw error
    }
  }

  /** The stream that the ticket is for; the first one decides for the whole connection. */
  #admit(ticket: string): Stream {
    if (this.#admitted) {
      if (this.#admitted.ticket === ticket) return this.#admitted.stream
      throw new CodedError('ticket_changed', 'this connection joined with another ticket', { status: 409 })
    }
    if (this.#closed) throw new CodedError('gone', 'the connection closed', { status: 410 })
    const admitted = this.#admission.admit(ticket, this)
    clearTimeout(this.#joinTimer)
    const { stream, abr } = admitted
    const stopObserving = stream.observe(this)
    this.#abr = abr
    this.#admitted = {
      ticket,
      stream,
      place: {
        [Symbol.dispose]: () => {
          stopObserving()
          admitted[Symbol.dispose]()
          this.#events.viewerLeft(stream.spec)
        },
      },
    }
    this.#events.viewerJoined(stream.spec)
    return stream
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

  #onNotification(method: string, data: unknown): void {
    const report = method === 'report' ? viewerNotifications.report.safeParse(data) : null
    const stream = this.#admitted?.stream
    if (!this.#budget.take(performance.now())) this.#refuseFlood()
    else if (report?.success && stream)
      this.#events.viewerReport(stream.spec, stream.spec.streamClass, report.data, this.#peer.id)
    else this.#events.rejected(stream?.spec ?? null, 'bad_message', `notification ${method.slice(0, 40)}`)
  }

  #refuseFlood(): undefined {
    this.#events.rejected(
      this.#admitted?.stream.spec ?? null,
      'flood',
      'a viewer sent too many messages and was cut off',
    )
    this.#peer.close()
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
    clearTimeout(this.#joinTimer)
    this.#viewer?.[Symbol.dispose]()
    this.#viewer = null
    this.#admitted?.place[Symbol.dispose]()
    this.#admitted = null
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, data: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(data)
  if (parsed.success) return parsed.data
  throw new CodedError('bad_request', 'the request does not fit its schema', {
    status: 400,
    details: z.prettifyError(parsed.error).split('\n').slice(0, 10),
  })
}
