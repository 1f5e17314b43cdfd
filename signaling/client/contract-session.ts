import type { types } from 'mediasoup-client'
import type { Abr } from '../../common/wire/flow-contract.ts'
import {
  type SubscribeAnswer,
  type SubscribeRequest,
  subscribeAnswerSchema,
} from '../../common/wire/flows-api.ts'
import type { StreamState } from '../../common/wire/stream.ts'
import type {
  ConsumerInfo,
  HubNotifications,
  View,
  WatchedStream,
} from '../../common/wire/viewer-protocol.ts'
import type { ArrivingStream } from './arrival-poll.ts'
import { localUnixMs } from './clock-offset.ts'
import { GlassToGlass } from './glass-to-glass.ts'
import { CONTRACT_ENDED, type HubConnection } from './hub-connection.ts'
import { askHub, HubRefusal } from './hub-request.ts'
import { type Closing, webSocketUrl } from './hub-socket.ts'
import type { MediaSession } from './media-session.ts'
import type { Awaited } from './moving-media.ts'
import { PaceWatch, type PileUp } from './pace-watch.ts'
import type { ShownFrame } from './playback.ts'
import type { StreamWatcher } from './stream-watcher.ts'
import { TrickleWatch } from './trickle-watch.ts'
import type { ViewingConnection } from './viewing-connection.ts'

/** The usual path of a hub's WebSocket, used until a contract names another. */
const USUAL_DOOR = '/protoo'

export interface SessionTerms {
  readonly hubUrl: string
  readonly request: SubscribeRequest
  readonly token: () => string | null
  /** The connection to a WebSocket address, for streams that come through a relay only or not: the page's connection, or a new one if that is over. */
  readonly connectionTo: (url: string, relayed: boolean) => ViewingConnection
  readonly view: View
  /** Opens the WebSocket while the contract is still being asked for. Worthwhile where no refusal is expected. */
  readonly early: boolean
}

/** What a session tells its owner. */
export interface SessionOwner {
  /** The stream's state, the media, the bounds, or what is sent of the picture have changed. */
  changed(session: ContractSession): void
  /** Tracks to show. */
  consumed(session: ContractSession, media: MediaSession, consumers: readonly types.Consumer[]): void
  /** The media that was shown now comes by other media. The owner closes the former media. */
  moved(
    session: ContractSession,
    before: MediaSession | null,
    media: MediaSession,
    consumers: readonly types.Consumer[],
  ): void
  /** This media will not go on. The owner closes it as soon as it need not stay on the screen. */
  retired(session: ContractSession, media: MediaSession, reason: string): void
  data(data: HubNotifications['data']): void
}

export type SessionEnd = Closing | { readonly cause: 'refused'; readonly refusal: HubRefusal }

/**
 * Watches one stream by contracts: asks for a contract, watches by its ticket on the page's connection, and consumes
 * what comes. The session is over when the contract or the connection is over. {@link renew} puts another contract in
 * its place.
 */
export class ContractSession implements StreamWatcher {
  /** Resolves when the session is over. Never rejects. */
  readonly ended: Promise<SessionEnd>
  readonly #terms: SessionTerms
  readonly #owner: SessionOwner
  readonly #abort = new AbortController()
  readonly #over = Promise.withResolvers<Closing>()
  readonly #pace = new PaceWatch()
  readonly #trickle = new TrickleWatch()
  #overdue: ReturnType<typeof setTimeout> | undefined
  #glassToGlass = new GlassToGlass()
  #connection: ViewingConnection | null = null
  #contract: SubscribeAnswer | null = null
  #media: MediaSession | null = null
  #everJoined = false
  #stream: StreamState | null = null
  #abr: Abr | null = null
  #picture: Pick<HubNotifications['picture'], 'paused' | 'reason'> = { paused: false, reason: 'all' }
  #keyframeEveryMs: number | null = null
  #pathLost: string | null = null
  #unplayable: HubNotifications['unplayable']['tracks'] = []
  /** The layer that the hub sends of each consumer. */
  readonly #layers = new Map<string, number | null>()
  #view: View

  constructor(terms: SessionTerms, owner: SessionOwner) {
    this.#terms = terms
    this.#owner = owner
    this.#view = terms.view
    this.ended = this.#run()
  }

  get contractId(): string {
    return this.#contract?.contract_id ?? ''
  }

  get ticket(): string {
    return this.#contract?.join.webrtc.ticket ?? ''
  }

  get view(): View {
    return this.#view
  }

  get glassToGlass(): GlassToGlass {
    return this.#glassToGlass
  }

  /** The connection on which the contract is used; null before and after. */
  get connection(): ViewingConnection | null {
    return this.#connection
  }

  get hub(): HubConnection | null {
    return this.#connection?.hub ?? null
  }

  get media(): MediaSession | null {
    return this.#media
  }

  /** What the hub said last; null until the contract is granted, and after the end of the session. */
  get stream(): StreamState | null {
    return this.#stream
  }

  get abr(): Abr | null {
    return this.#abr
  }

  /** What the hub sends of the picture, and why no more. */
  get picture(): Pick<HubNotifications['picture'], 'paused' | 'reason'> {
    return this.#picture
  }

  /** Time between keyframes, ms, where the sender makes none on request; null where nobody knows. */
  get keyframeEveryMs(): number | null {
    return this.#keyframeEveryMs
  }

  /** Tracks for which this browser has no decoder. */
  get unplayable(): HubNotifications['unplayable']['tracks'] {
    return this.#unplayable
  }

  /** The layer mediasoup forwards now; null without layers, or while nothing fits. */
  get spatialLayer(): number | null {
    return this.#layers.get(this.#media?.consumerId('video') ?? '') ?? null
  }

  /** Packets are worth watching only while the stream has a layer below the one that comes. */
  get arriving(): ArrivingStream | null {
    const video = this.#media?.ssrc('video') ?? null
    if (video === null || !this.spatialLayer || this.#picture.paused) return null
    return {
      video,
      audio: this.#media?.ssrc('audio') ?? null,
      rhythm: this.#pace.rhythm,
      arrived: (pictures, sound) => this.#tellOfQueue(this.#trickle.add(pictures, sound)),
    }
  }

  get everJoined(): boolean {
    return this.#everJoined
  }

  /** Remaining time of the contract, ms, by the hub's clock as far as that is known. */
  get leftMs(): number {
    const until = this.#contract?.expires_at ?? Number.POSITIVE_INFINITY
    return until - localUnixMs() - (this.#glassToGlass.clock.offsetMs ?? 0)
  }

  /** A picture was shown. */
  shown(frame: ShownFrame): void {
    this.#glassToGlass.add(frame)
    const { receivedAt, rtpTimestamp } = frame
    if (receivedAt === null || rtpTimestamp === null || this.#contract === null) return
    this.#tellOfQueue(this.#pace.add(receivedAt, rtpTimestamp))
    clearTimeout(this.#overdue)
    const { overdueAt } = this.#pace
    if (overdueAt === null) return
    // Waits once more, so that a page which is slow to show pictures waits longer. Pictures of this moment come first.
    const look = () => requestAnimationFrame(() => this.#tellOfQueue(this.#pace.overdue(performance.now())))
    this.#overdue = setTimeout(look, overdueAt - receivedAt)
  }

  setView(view: View): void {
    this.#view = { ...this.#view, ...view }
    if (this.#contract !== null) this.#connection?.setView(this.contractId, view)
  }

  /**
   * Asks for the next contract and goes on by it. Media does not notice.
   * @throws HubRefusal, or an Error that says why there is no answer
   */
  async renew(): Promise<void> {
    const granted = await this.#subscribe()
    const connection = this.#connection
    const before = this.#contract
    if (connection === null || before === null) return
    const { abr } = await connection.renew(granted.join.webrtc.ticket, before.contract_id)
    this.#contract = granted
    this.#abr = abr
    this.#owner.changed(this)
  }

  close(reason: string): void {
    this.#abort.abort()
    this.#connection?.leave(this, reason)
    this.#over.resolve({ cause: 'closed-here', reason })
  }

  async joined(media: MediaSession, watched: WatchedStream): Promise<void> {
    this.#media = media
    this.#everJoined = true
    this.#abr = watched.abr
    this.#keyframeEveryMs = watched.keyframe_every_ms ?? null
    this.streamIs(watched.stream)
    await this.#consume(media, watched.consumers)
  }

  async resumed(watched: WatchedStream): Promise<void> {
    const media = this.#media
    this.#abr = watched.abr
    this.#keyframeEveryMs = watched.keyframe_every_ms ?? null
    this.streamIs(watched.stream)
    if (media === null) return
    const going = new Set(watched.consumers.map(({ consumer_id }) => consumer_id))
    for (const consumer_id of media.consumerIds)
      if (!going.has(consumer_id)) this.consumerClosed({ contract_id: this.contractId, consumer_id })
    await this.#consume(media, watched.consumers)
  }

  get expects(): boolean {
    const media = this.#media
    const { picture, sound } = this.awaited
    if (media === null || this.#stream?.state !== 'live') return false
    return (picture && media.has('video')) || (sound && media.has('audio'))
  }

  get shownAt(): number | null {
    return this.#media?.shownAt ?? null
  }

  /** Why nothing arrives now, though it should; null while it does. */
  get pathLost(): string | null {
    return this.#pathLost
  }

  pathIs(lost: string | null): void {
    if (lost === this.#pathLost) return
    this.#pathLost = lost
    this.#owner.changed(this)
  }

  get awaited(): Awaited {
    const { visible = true, video = true, audio = true } = this.#view
    const { muted = [] } = this.#stream ?? {}
    return {
      picture: visible && video && !this.#picture.paused && !muted.includes('video'),
      sound: audio && !muted.includes('audio'),
    }
  }

  moved(media: MediaSession, consumers: readonly types.Consumer[]): void {
    const before = this.#media
    this.#media = media
    this.#owner.moved(this, before, media, consumers)
  }

  retired(reason: string): void {
    const media = this.#media
    this.#media = null
    this.#pathLost = null
    this.#unplayable = []
    this.#layers.clear()
    // The new transport's clock may come before the answer.
    this.#glassToGlass.reset()
    if (media !== null) this.#owner.retired(this, media, reason)
  }

  async consume(info: ConsumerInfo): Promise<void> {
    if (this.#media !== null) await this.#consume(this.#media, [info])
  }

  streamIs(stream: StreamState): void {
    this.#stream = stream
    this.#owner.changed(this)
  }

  consumerClosed({ consumer_id }: HubNotifications['consumer-closed']): void {
    this.#media?.closeConsumer(consumer_id)
    this.#layers.delete(consumer_id)
    this.#owner.changed(this)
  }

  consumerLayer({ consumer_id, spatial_layer }: HubNotifications['consumer-layer']): void {
    this.#layers.set(consumer_id, spatial_layer)
  }

  pictureIs({ paused, reason }: HubNotifications['picture']): void {
    this.#picture = { paused, reason }
    this.#owner.changed(this)
  }

  unplayableIs({ tracks }: HubNotifications['unplayable']): void {
    this.#unplayable = tracks
    this.#owner.changed(this)
  }

  captureClock(reference: HubNotifications['capture-clock']): void {
    this.#glassToGlass.captureClock(reference)
  }

  abrChanged({ abr }: HubNotifications['abr-changed']): void {
    this.#abr = abr
    this.#owner.changed(this)
  }

  data(data: HubNotifications['data']): void {
    this.#owner.data(data)
  }

  contractEnded(reason: 'expired' | 'revoked'): void {
    this.#over.resolve({ cause: reason, reason: CONTRACT_ENDED[reason] })
  }

  async #run(): Promise<SessionEnd> {
    const { hubUrl, connectionTo, early, request } = this.#terms
    const usual = webSocketUrl(USUAL_DOOR, hubUrl)
    const wish = request.preference
    const relays = typeof wish === 'object' && wish.relay === 'always'
    const opened = early ? connectionTo(usual, relays) : null
    let reason = 'the viewer left'
    try {
      const granted = await this.#subscribe()
      const { protoo_url, ice_transport_policy } = granted.join.webrtc
      const url = webSocketUrl(protoo_url, hubUrl)
      const relayed = ice_transport_policy === 'relay'
      const isOpened = url === usual && relayed === relays
      const connection = isOpened && opened && !opened.over ? opened : connectionTo(url, relayed)
      if (connection !== opened) opened?.closeIdle('the contract names another address')
      this.#connection = connection
      this.#glassToGlass = new GlassToGlass(connection.clock)
      this.#contract = granted
      this.#abr = granted.abr
      this.streamIs(granted.stream)
      const over = Promise.race([this.#over.promise, connection.closed])
      await Promise.race([over, connection.watch(this)])
      const closing = await over
      reason = closing.reason
      return closing
    } catch (error) {
      opened?.closeIdle(reason)
      if (error instanceof HubRefusal) return { cause: 'refused', refusal: error }
      if (this.#abort.signal.aborted) return { cause: 'closed-here', reason }
      const why = error instanceof Error ? error.message : String(error)
      this.#connection?.leave(this, why)
      return { cause: 'never-opened', reason: why }
    } finally {
      clearTimeout(this.#overdue)
      this.#connection = null
      this.#stream = null
      this.retired(reason)
    }
  }

  #tellOfQueue(pileUp: PileUp | null): void {
    if (pileUp === null) return
    const pace = Math.max(0.01, pileUp.pace)
    this.hub?.congested({ contract_id: this.contractId, ...pileUp, pace })
  }

  #subscribe(): Promise<SubscribeAnswer> {
    const { hubUrl, request, token } = this.#terms
    const { signal } = this.#abort
    const asked = { hubUrl, path: '/v1/subscribe', token: token(), body: request, signal }
    return askHub(asked, subscribeAnswerSchema)
  }

  async #consume(media: MediaSession, infos: readonly ConsumerInfo[]): Promise<void> {
    const consumers = await media.consume(infos)
    this.#owner.consumed(this, media, consumers)
    if (media === this.#media) this.#owner.changed(this)
  }
}
