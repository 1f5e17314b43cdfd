import type { types } from 'mediasoup-client'
import type { Abr } from '../../common/wire/flow-contract.ts'
import { type SubscribeRequest, subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import type { StreamState } from '../../common/wire/stream.ts'
import { type ConsumerInfo, joinAnswer } from '../../common/wire/viewer-protocol.ts'
import { localUnixMs } from './clock-offset.ts'
import { compareClocks } from './compare-clocks.ts'
import { GlassToGlass } from './glass-to-glass.ts'
import { type Closing, HubConnection } from './hub-connection.ts'
import { askHub, HubRefusal } from './hub-request.ts'
import { MediaSession } from './media-session.ts'
import { PaceWatch } from './pace-watch.ts'
import type { ShownFrame } from './playback.ts'
import type { ReceivingDevice } from './receiving-device.ts'

/** Where hubs have their WebSocket, as long as a contract does not say otherwise. */
const USUAL_DOOR = '/protoo'

export interface SessionTerms {
  readonly hubUrl: string
  readonly request: SubscribeRequest
  readonly token: string | null
  readonly device: ReceivingDevice
  /** Opens the WebSocket while the contract is still asked for: worth it where a refusal is not expected. */
  readonly early: boolean
}

/** What a session tells whoever watches by it. */
export interface SessionOwner {
  /** The stream's state, the media or the bounds are others now. */
  changed(session: ContractSession): void
  /** Tracks to show. */
  consumed(session: ContractSession, media: MediaSession, consumers: readonly types.Consumer[]): void
  /** This media will not go on. The owner closes it, as soon as nothing of it has to stand on the screen. */
  retired(session: ContractSession, media: MediaSession, reason: string): void
}

export type SessionEnd = Closing | { readonly cause: 'refused'; readonly refusal: HubRefusal }

/**
 * Watching by one contract: asks for it, joins with its ticket, consumes what comes, joins again when the hub says
 * so, and is over when the contract or the connection is.
 */
export class ContractSession {
  readonly glassToGlass = new GlassToGlass()
  /** Resolves when the session is over. Never rejects. */
  readonly ended: Promise<SessionEnd>
  readonly #terms: SessionTerms
  readonly #owner: SessionOwner
  readonly #abort = new AbortController()
  readonly #ticket = Promise.withResolvers<string>()
  #hub: HubConnection | null = null
  #media: MediaSession | null = null
  #joined: Promise<unknown> = Promise.resolve()
  #joins = 0
  #everJoined = false
  #stream: StreamState | null = null
  #abr: Abr | null = null
  #spatialLayer: number | null = null
  readonly #pace = new PaceWatch()
  #contractId: string | null = null
  #expiresAt = Number.POSITIVE_INFINITY

  constructor(terms: SessionTerms, owner: SessionOwner) {
    this.#terms = terms
    this.#owner = owner
    this.ended = this.#run()
  }

  /** The connection that the contract is used on; null before and after. */
  get hub(): HubConnection | null {
    return this.#hub
  }

  get media(): MediaSession | null {
    return this.#media
  }

  /** What the hub said last; null until the contract is granted, and when the session is over. */
  get stream(): StreamState | null {
    return this.#stream
  }

  get abr(): Abr | null {
    return this.#abr
  }

  /** The layer mediasoup forwards now; null without layers, or while nothing fits. */
  get spatialLayer(): number | null {
    return this.#spatialLayer
  }

  get everJoined(): boolean {
    return this.#everJoined
  }

  /** What is left of the contract, ms, by the hub's clock as far as it is known. */
  get leftMs(): number {
    return this.#expiresAt - localUnixMs() - (this.glassToGlass.clock.offsetMs ?? 0)
  }

  /** A picture was shown. */
  shown(frame: ShownFrame): void {
    this.glassToGlass.add(frame)
    const { receivedAt, rtpTimestamp } = frame
    if (receivedAt === null || rtpTimestamp === null || this.#contractId === null) return
    const pace = this.#pace.add(receivedAt, rtpTimestamp)
    if (pace !== null) this.#hub?.congested({ contract_id: this.#contractId, pace: Math.max(0.01, pace) })
  }

  close(reason: string): void {
    this.#abort.abort()
    this.#hub?.close(reason)
  }

  async #run(): Promise<SessionEnd> {
    const { hubUrl, request, token, early } = this.#terms
    const usual = webSocketUrl(USUAL_DOOR, hubUrl)
    const opened = early ? this.#connect(usual) : null
    let reason = 'the viewer left'
    try {
      const { signal } = this.#abort
      const asked = { hubUrl, path: '/v1/subscribe', token, body: request, signal }
      const granted = await askHub(asked, subscribeAnswerSchema)
      const { protoo_url, ticket } = granted.join.webrtc
      const url = webSocketUrl(protoo_url, hubUrl)
      const hub = opened !== null && url === usual ? opened : this.#connect(url)
      if (hub !== opened) opened?.close('the contract names another address')
      this.#hub = hub
      this.#contractId = granted.contract_id
      this.#expiresAt = granted.expires_at
      this.#abr = granted.abr
      this.#setStream(granted.stream)
      this.#ticket.resolve(ticket)
      const closing = await hub.closed
      reason = closing.reason
      return closing
    } catch (error) {
      opened?.close(reason)
      if (error instanceof HubRefusal) return { cause: 'refused', refusal: error }
      if (this.#abort.signal.aborted) return { cause: 'closed-here', reason }
      return { cause: 'never-opened', reason: error instanceof Error ? error.message : String(error) }
    } finally {
      this.#hub = null
      this.#stream = null
      this.#retireMedia(reason)
    }
  }

  #connect(url: string): HubConnection {
    let capabilities: object = {}
    const hub: HubConnection = new HubConnection(url, {
      welcome: ({ router_rtp_capabilities }) => {
        capabilities = router_rtp_capabilities
        this.#startJoin(hub, capabilities)
        void compareClocks(hub, this.glassToGlass.clock)
      },
      stream: (stream) => this.#setStream(stream),
      consumerClosed: ({ consumer_id }) => {
        this.#media?.closeConsumer(consumer_id)
        this.#owner.changed(this)
      },
      consumerLayer: ({ consumer_id, spatial_layer }) => {
        if (consumer_id === this.#media?.consumerId('video')) this.#spatialLayer = spatial_layer
      },
      rejoin: ({ reason }) => {
        this.#retireMedia(reason)
        this.#startJoin(hub, capabilities)
      },
      captureClock: (reference) => this.glassToGlass.captureClock(reference),
      abrChanged: ({ abr }) => {
        this.#abr = abr
        this.#owner.changed(this)
      },
      consume: async (info) => {
        await this.#joined
        if (this.#media !== null) await this.#consume(this.#media, [info])
      },
    })
    return hub
  }

  #startJoin(hub: HubConnection, capabilities: object): void {
    this.#joined = this.#join(hub, capabilities).catch((error: unknown) => {
      hub.close(`joining failed: ${error instanceof Error ? error.message : String(error)}`, 'lost')
    })
  }

  async #join(hub: HubConnection, capabilities: object): Promise<void> {
    const join = ++this.#joins
    const [device, ticket] = await Promise.all([this.#terms.device.for(capabilities), this.#ticket.promise])
    if (hub !== this.#hub) return
    // The new transport's clock may come before the answer.
    this.glassToGlass.reset()
    const request = hub.request('join', { ticket, rtp_capabilities: device.recvRtpCapabilities })
    const answer = joinAnswer.parse(await request)
    // Meanwhile the hub may have asked for another join, which is the one that counts.
    if (join !== this.#joins || hub !== this.#hub) return
    const media: MediaSession = new MediaSession(device, answer.transport, {
      connect: (connect) => hub.request('connect-transport', connect),
      failed: (reason) => {
        if (media === this.#media) hub.close(reason, 'lost')
      },
    })
    this.#media = media
    this.#everJoined = true
    const [watched] = answer.streams
    if (watched === undefined) throw new Error('the server answered without a stream')
    this.#abr = watched.abr
    this.#setStream(watched.stream)
    await this.#consume(media, watched.consumers)
  }

  async #consume(media: MediaSession, infos: readonly ConsumerInfo[]): Promise<void> {
    const consumers = await media.consume(infos)
    this.#owner.consumed(this, media, consumers)
    if (media === this.#media) this.#owner.changed(this)
  }

  #retireMedia(reason: string): void {
    const media = this.#media
    this.#media = null
    this.#spatialLayer = null
    if (media !== null) this.#owner.retired(this, media, reason)
  }

  #setStream(stream: StreamState): void {
    this.#stream = stream
    this.#owner.changed(this)
  }
}

function webSocketUrl(place: string, hubUrl: string): string {
  const url = new URL(place, hubUrl)
  url.protocol = url.protocol.replace('http', 'ws')
  return url.href
}
