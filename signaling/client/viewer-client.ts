import type { types } from 'mediasoup-client'
import type { SubscribeRequest } from '../../common/wire/flows-api.ts'
import type { StreamState } from '../../common/wire/stream.ts'
import type { HubNotifications, View } from '../../common/wire/viewer-protocol.ts'
import { ContractSession, type SessionEnd, type SessionOwner } from './contract-session.ts'
import { DirectAttempts } from './direct-attempts.ts'
import type { DirectPath } from './direct-path.ts'
import type { MediaSession } from './media-session.ts'
import { MEDIA_FAILED } from './media-transport.ts'
import { Playback } from './playback.ts'
import { reconnectDelayMs } from './reconnect-delay.ts'
import { needingRelay } from './relay-need.ts'
import { outcomeOf } from './session-outcome.ts'
import { TileWatch } from './tile-watch.ts'
import { TypedEmitter } from './typed-emitter.ts'
import { ViewerMonitor, type ViewerStatistics } from './viewer-monitor.ts'
import { type UndecodablePicture, undecodablePicture, type ViewerState, viewerState } from './viewer-state.ts'
import { ViewingConnections } from './viewing-connections.ts'
import { WakingPause } from './waking-pause.ts'

/** The next contract is asked for this long before the end of the running one, ms, or at a quarter of its life. */
const RENEW_LEAD_MS = 20_000
/** With less than this left of a contract, another attempt to renew would come too late, ms. */
const RENEW_LAST_MS = 2_000

/** What the hub is to send while everything comes from the sender itself. */
const NOTHING: View = { audio: false, video: false }

export interface ViewerOptions {
  /** The hub's address, for instance `https://hub.example:9415`. */
  readonly hubUrl: string
  readonly streamId: string
  /** The stream's tenant, for viewers without a token. A token names its tenant. */
  readonly tenantId?: string
  /** Returns the present bearer token, before each request. Without a token the viewer is anonymous. */
  readonly token?: () => string | null
  /** Bounds and wishes for the contract. */
  readonly subscribe?: Pick<SubscribeRequest, 'viewer_class' | 'preference'>
  /** The element that shows the stream. The client sets its `srcObject` and plays it. Muting is up to the page. */
  readonly video: HTMLVideoElement
  /**
   * The hub's `router_rtp_capabilities`, if the page knows them before `welcome`. The browser is then asked for its
   * codecs while the connection is made, and the join is quicker.
   */
  readonly routerCapabilities?: unknown
  /**
   * Whether media may come from the sender itself where both are on one network and the tenant allows it; true by
   * default. The sender then learns the addresses of this machine.
   */
  readonly direct?: boolean
  /** The page's first wishes for the stream. The client itself reports size and visibility of `video`. */
  readonly view?: Pick<View, 'focused' | 'audio' | 'video'>
  /** Shared with everything else that the page watches. A client without this has a connection of its own. */
  readonly connections?: ViewingConnections
}

export interface ViewerEvents {
  state: ViewerState
  /** Once per second while something is received. */
  statistics: ViewerStatistics
  /** The kinds of media that can be played now. */
  media: { readonly audio: boolean; readonly video: boolean }
  /** What the hub sends of the picture, and why no more. */
  picture: PictureSent
  /** Whether media comes from the sender itself now, and why. */
  direct: { readonly direct: boolean; readonly reason: string }
  /** Timed metadata from the publisher, as it comes. It belongs to the picture that was captured at `at_unix_ms`. */
  data: Pick<HubNotifications['data'], 'payload' | 'at_unix_ms'>
}

export type PictureSent = Pick<HubNotifications['picture'], 'paused' | 'reason'>

/**
 * Watches one stream, from `start` to `close`: asks for a contract, joins, plays, gets the next contract before this
 * one ends, and recovers by itself from whatever breaks. It never gives up: where the hub refuses, it asks again every
 * now and then.
 */
export class ViewerClient extends TypedEmitter<ViewerEvents> {
  readonly #options: ViewerOptions
  readonly #playback: Playback
  readonly #monitor: ViewerMonitor
  readonly #connections: ViewingConnections
  readonly #tile: TileWatch
  readonly #owner: SessionOwner = {
    changed: (session) => this.#changed(session),
    consumed: (session, media, consumers) => this.#present(session, media, consumers),
    moved: (session, before, media, consumers) => {
      this.#present(session, media, consumers)
      if (before !== this.#shown) before?.close()
      this.#changed(session)
    },
    retired: (session, media, reason) => this.#retire(session, media, reason),
    data: ({ payload, at_unix_ms }) => this.emit('data', { payload, at_unix_ms }),
  }
  #session: ContractSession | null = null
  #view: View
  #renewal: ReturnType<typeof setTimeout> | undefined
  /** The session whose picture is on the screen. The picture stays until another session has one. */
  #shown: MediaSession | null = null
  /** Nothing came of the paths that the hub offered: it keeps its last relays for those who say so. */
  #needsRelay = false
  #attempt = 0
  #closed = false
  readonly #between = new WakingPause()
  readonly #direct: DirectAttempts | null

  #state: ViewerState = { name: 'connecting' }
  #trouble: ViewerState | null = null
  #stream: StreamState | null = null
  #streamEnded = false
  #delivering = false
  #everGranted = false
  #interrupted = false
  #lastClosing = ''
  #joinStart = 0
  #joinMs: number | null = null
  #undecodable: UndecodablePicture | null = null
  #picture: PictureSent = { paused: false, reason: 'all' }

  constructor(options: ViewerOptions) {
    super()
    this.#options = options
    this.#connections = options.connections ?? new ViewingConnections()
    this.#tile = new TileWatch(options.video, (view) => this.setView(view))
    this.#view = { ...this.#tile.view, ...options.view }
    this.#playback = new Playback(options.video, (frame) => {
      const session = this.#session
      if (session === null) return
      // Frames of the sender's own tracks say nothing about the way from the hub.
      if (this.#direct?.isRunning) return session.glassToGlass.add(frame)
      if (this.#shown !== null && this.#shown === session.media) this.#delivered()
      session.shown(frame)
    })
    this.#monitor = this.#startMonitor()
    this.#direct =
      options.direct === false
        ? null
        : new DirectAttempts({ shows: (session, path, reason) => this.#goDirect(session, path, reason) })
  }

  get state(): ViewerState {
    return this.#state
  }

  /** Starts to connect. A client is started once and closed once. */
  start(): void {
    const { routerCapabilities } = this.#options
    if (typeof routerCapabilities === 'object' && routerCapabilities !== null)
      this.#connections.device.for(routerCapabilities).catch(() => {})
    addEventListener('online', this.retryNow)
    void this.#run()
  }

  /** Stops a wait between two attempts. */
  retryNow = (): void => {
    this.#between.wake()
    this.#direct?.retry()
  }

  /** Tells how the page shows the stream. With `audio` or `video` false, none of it is sent. */
  setView(view: View): void {
    this.#view = { ...this.#view, ...view }
    this.#session?.setView(this.#direct?.isRunning ? { ...view, ...NOTHING } : view)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#direct?.close('the viewer left')
    this.#tile.close()
    removeEventListener('online', this.retryNow)
    clearTimeout(this.#renewal)
    this.#monitor.close()
    this.#between.wake()
    this.#session?.close('the viewer left')
    this.#shown?.close()
    this.#playback.close()
  }

  async #run(): Promise<void> {
    if (!('RTCPeerConnection' in globalThis)) {
      this.#trouble = { name: 'failed', reason: 'this browser has no WebRTC' }
      this.#refresh()
      return
    }
    while (!this.#closed) {
      if (this.#session === null) {
        this.#joinStart = performance.now()
        this.#joinMs = null
        this.#session = this.#open()
      }
      const session = this.#session
      const end = await session.ended
      if (this.#closed) return
      await this.#over(end)
    }
  }

  /** After the end of a session: waits as long as the reason demands. */
  async #over(end: SessionEnd): Promise<void> {
    clearTimeout(this.#renewal)
    this.#renewal = undefined
    this.#direct?.close('the session is over')
    this.#session = null
    this.#undecodable = null
    const { streamId, token } = this.#options
    const hasToken = (token?.() ?? null) !== null
    if (end.cause === 'lost' && end.reason === MEDIA_FAILED) this.#needsRelay = true
    const { trouble, reason, pace, atLeastMs } = outcomeOf(end, {
      streamId,
      hasToken,
      streamEnded: this.#streamEnded,
    })
    this.#lastClosing = reason
    this.#stream = null
    this.#trouble = trouble
    this.#refresh()
    if (end.cause === 'expired') return
    await this.#pause(Math.max(atLeastMs, reconnectDelayMs(this.#attempt++, pace)))
  }

  #open(): ContractSession {
    const { hubUrl, streamId, tenantId, token, subscribe } = this.#options
    return new ContractSession(
      {
        hubUrl,
        request: {
          stream_id: streamId,
          ...(tenantId !== undefined && { tenant_id: tenantId }),
          ...(this.#needsRelay ? needingRelay(subscribe) : subscribe),
        },
        token: () => token?.() ?? null,
        connectionTo: (url, relayed) => this.#connections.to(url, relayed),
        view: this.#view,
        early: this.#trouble === null,
      },
      this.#owner,
    )
  }

  #changed(session: ContractSession): void {
    if (session !== this.#session || session.stream === null) return
    if (session.everJoined && this.#renewal === undefined) this.#renewInTime(session, RENEW_LEAD_MS)
    const { media, picture } = session
    this.#undecodable = undecodablePicture(session.unplayable, media?.has('audio') ?? false)
    this.emit('media', { audio: media?.has('audio') ?? false, video: media?.has('video') ?? false })
    const isOther = picture.paused !== this.#picture.paused || picture.reason !== this.#picture.reason
    if (isOther && !this.#direct?.isRunning) {
      this.#picture = picture
      this.emit('picture', picture)
    }
    this.#trouble = null
    this.#everGranted = true
    this.#streamIs(session.stream)
    this.#refresh()
  }

  #streamIs(stream: StreamState): void {
    // Waiting for a sender does not count to the time of a join.
    if (stream.state === 'live' && this.#stream !== null && this.#stream.state !== 'live')
      this.#joinStart = performance.now()
    if (stream.state !== 'live') {
      this.#attempt = 0
      this.#interrupted = false
    }
    this.#streamEnded = stream.state === 'ended'
    this.#stream = stream
  }

  #renewInTime(session: ContractSession, leadMs: number): void {
    const { leftMs } = session
    const waitMs = leftMs - Math.min(leadMs, leftMs / 4)
    this.#renewal = setTimeout(() => {
      if (session !== this.#session) return
      session.renew().then(
        () => {
          if (session === this.#session) this.#renewInTime(session, RENEW_LEAD_MS)
        },
        () => {
          if (session === this.#session && session.leftMs > RENEW_LAST_MS)
            this.#renewInTime(session, session.leftMs / 2)
        },
      )
    }, waitMs)
  }

  /** Shows what comes from the sender itself, and has the hub send nothing meanwhile; or the other way round. */
  #goDirect(session: ContractSession, path: DirectPath | null, reason: string): void {
    if (path) {
      session.glassToGlass.directClock(path.aheadMs)
      for (const track of path.tracks) this.#playback.present(track, () => {})
      session.setView(NOTHING)
    } else if (session === this.#session && !this.#closed) {
      const { audio = true, video = true } = this.#view
      session.setView({ audio, video })
      for (const track of session.media?.tracks ?? []) this.#playback.present(track, () => {})
    }
    this.emit('direct', { direct: path !== null, reason })
  }

  #present(session: ContractSession, media: MediaSession, consumers: readonly types.Consumer[]): void {
    // They are shown when the direct way is over.
    if (this.#direct?.isRunning) return
    for (const consumer of consumers) {
      this.#playback.present(consumer.track, () => {
        if (media !== session.media || (consumer.kind === 'audio' && media.has('video'))) return
        if (session !== this.#session) return
        if (this.#shown !== media) this.#shown?.close()
        this.#shown = media
      })
    }
  }

  #retire(session: ContractSession, media: MediaSession, reason: string): void {
    if (media !== this.#shown || this.#closed) media.close()
    if (session !== this.#session) return
    this.#lastClosing = reason
    if (this.#delivering) this.#interrupted = true
    this.#delivering = false
    this.#refresh()
  }

  #delivered(): void {
    if (this.#session !== null) this.#direct?.delivered(this.#session)
    if (this.#delivering) return
    this.#delivering = true
    this.#interrupted = false
    this.#attempt = 0
    this.#joinMs ??= performance.now() - this.#joinStart
    this.#refresh()
  }

  /** Whether media must arrive: not where the publisher has muted everything. */
  #expectsMedia(): boolean {
    if (this.#stream?.state !== 'live') return false
    const { muted = [] } = this.#stream
    const media = this.#session?.media
    return !media || (['audio', 'video'] as const).some((kind) => media.has(kind) && !muted.includes(kind))
  }

  #startMonitor(): ViewerMonitor {
    const viewer = this
    return new ViewerMonitor({
      get session() {
        return viewer.#session
      },
      get media() {
        return viewer.#direct?.running ?? viewer.#session?.media ?? null
      },
      get paused() {
        return !viewer.#direct?.isRunning && (viewer.#session?.picture.paused ?? false)
      },
      get expectsMedia() {
        return viewer.#expectsMedia()
      },
      get joinMs() {
        return viewer.#joinMs
      },
      delivered: () => this.#delivered(),
      statistics: (statistics) => this.emit('statistics', statistics),
    })
  }

  #refresh(): void {
    const pathLost = this.#session?.pathLost ?? null
    const state = viewerState({
      trouble: this.#trouble,
      stream: this.#stream,
      delivering: this.#delivering && pathLost === null,
      everJoined: this.#everGranted,
      interrupted: this.#interrupted || pathLost !== null,
      lastClosing: pathLost ?? this.#lastClosing,
      undecodable: this.#undecodable,
      keyframeEveryMs: this.#session?.keyframeEveryMs ?? null,
    })
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return
    this.#state = state
    this.emit('state', state)
  }

  async #pause(ms: number): Promise<void> {
    await this.#between.wait(ms)
  }
}
