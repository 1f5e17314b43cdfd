import type { types } from 'mediasoup-client'
import type { SubscribeRequest } from '../../common/wire/flows-api.ts'
import type { StreamState } from '../../common/wire/stream.ts'
import { ContractSession, type SessionEnd, type SessionOwner } from './contract-session.ts'
import type { MediaSession } from './media-session.ts'
import { Playback } from './playback.ts'
import { ReceivingDevice } from './receiving-device.ts'
import { reconnectDelayMs } from './reconnect-delay.ts'
import { outcomeOf } from './session-outcome.ts'
import { TypedEmitter } from './typed-emitter.ts'
import { ViewerMonitor, type ViewerStatistics } from './viewer-monitor.ts'
import { type ViewerState, viewerState } from './viewer-state.ts'

/** The next contract is asked for this long before the end of the running one, in ms, or at a quarter of its life. */
const RENEW_LEAD_MS = 20_000
/** With less than this left of a contract, another attempt to renew it would come too late, in ms. */
const RENEW_LAST_MS = 2_000

export interface ViewerOptions {
  /** The hub's address, as `https://hub.example:9415`. */
  readonly hubUrl: string
  readonly streamId: string
  /** The stream's tenant, for viewers without a token; a token names its own. */
  readonly tenantId?: string
  /** The bearer token of now, asked for before each request; without one the viewer is anonymous. */
  readonly token?: () => string | null
  /** Bounds and wishes for the contract. */
  readonly subscribe?: Pick<SubscribeRequest, 'viewer_class' | 'preference'>
  /** Where the stream is shown. The client sets its `srcObject` and plays it; muting is the page's business. */
  readonly video: HTMLVideoElement
  /**
   * The hub's `router_rtp_capabilities`, where they are known before `welcome` says them: the browser's codecs are
   * then asked for while the connection is made, which a viewer who joins need not wait for.
   */
  readonly routerCapabilities?: unknown
}

export interface ViewerEvents {
  state: ViewerState
  /** Once per second while something is received. */
  statistics: ViewerStatistics
  /** Which kinds of media there are to play now. */
  media: { readonly audio: boolean; readonly video: boolean }
}

/**
 * Watches one stream, from `start` to `close`: asks for a contract, joins, plays, has the next contract at work
 * before the running one is over, and comes back by itself from whatever breaks in between. It never gives up; where
 * the hub refuses, it is asked again every now and then.
 */
export class ViewerClient extends TypedEmitter<ViewerEvents> {
  readonly #options: ViewerOptions
  readonly #playback: Playback
  readonly #monitor: ViewerMonitor
  readonly #device = new ReceivingDevice()
  readonly #owner: SessionOwner = {
    changed: (session) => this.#changed(session),
    consumed: (session, media, consumers) => this.#present(session, media, consumers),
    retired: (session, media, reason) => this.#retire(session, media, reason),
  }
  #session: ContractSession | null = null
  /** Takes over from the session of now as soon as it has a picture, or when that one ends. */
  #successor: ContractSession | null = null
  #renewal: ReturnType<typeof setTimeout> | undefined
  /** Whose picture is on the screen; it stands until another's is there. */
  #shown: MediaSession | null = null
  #attempt = 0
  #closed = false
  #wake = (): void => {}

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

  constructor(options: ViewerOptions) {
    super()
    this.#options = options
    this.#playback = new Playback(options.video, (frame) => {
      const session = this.#session
      if (session === null) return
      if (this.#shown !== null && this.#shown === session.media) this.#delivered()
      session.shown(frame)
    })
    this.#monitor = this.#startMonitor()
  }

  get state(): ViewerState {
    return this.#state
  }

  /** Starts to connect. A client is started once and closed once. */
  start(): void {
    const { routerCapabilities } = this.#options
    if (typeof routerCapabilities === 'object' && routerCapabilities !== null)
      this.#device.for(routerCapabilities).catch(() => {})
    addEventListener('online', this.retryNow)
    void this.#run()
  }

  /** Stops a wait between two attempts. */
  retryNow = (): void => this.#wake()

  close(): void {
    this.#closed = true
    removeEventListener('online', this.retryNow)
    clearTimeout(this.#renewal)
    this.#monitor.close()
    this.#wake()
    this.#shown?.close()
    for (const session of [this.#session, this.#successor]) session?.close('the viewer left')
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
      // Else another took over, and this is the old one's end.
      if (session === this.#session) await this.#over(end)
    }
  }

  /** After the session of now: its successor where there is one, else a wait that depends on why it is over. */
  async #over(end: SessionEnd): Promise<void> {
    clearTimeout(this.#renewal)
    this.#renewal = undefined
    this.#session = this.#successor
    this.#successor = null
    const { streamId, token } = this.#options
    const hasToken = (token?.() ?? null) !== null
    const { trouble, reason, pace, atLeastMs } = outcomeOf(end, {
      streamId,
      hasToken,
      streamEnded: this.#streamEnded,
    })
    this.#lastClosing = reason
    if (this.#session !== null) return this.#changed(this.#session)
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
          ...subscribe,
        },
        token: token?.() ?? null,
        device: this.#device,
        early: this.#trouble === null,
      },
      this.#owner,
    )
  }

  #changed(session: ContractSession): void {
    if (session === this.#successor && session.everJoined && session.stream?.state !== 'live')
      this.#takeOver(session)
    if (session !== this.#session || session.stream === null) return
    if (session.everJoined && this.#renewal === undefined) this.#renewInTime(session, RENEW_LEAD_MS)
    const { media } = session
    this.emit('media', { audio: media?.has('audio') ?? false, video: media?.has('video') ?? false })
    this.#trouble = null
    this.#everGranted = true
    this.#streamIs(session.stream)
    this.#refresh()
  }

  #streamIs(stream: StreamState): void {
    // Waiting for a sender is no part of the time a join takes.
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
      const successor = this.#open()
      this.#successor = successor
      void successor.ended.then(() => {
        if (successor !== this.#successor) return
        this.#successor = null
        if (session === this.#session && session.leftMs > RENEW_LAST_MS)
          this.#renewInTime(session, session.leftMs / 2)
      })
    }, waitMs)
  }

  #takeOver(successor: ContractSession): void {
    const before = this.#session
    this.#session = successor
    this.#successor = null
    this.#renewal = undefined
    before?.close('the next contract is at work')
  }

  #present(session: ContractSession, media: MediaSession, consumers: readonly types.Consumer[]): void {
    for (const consumer of consumers) {
      this.#playback.present(consumer.track, () => {
        if (media !== session.media || (consumer.kind === 'audio' && media.has('video'))) return
        if (session === this.#successor) {
          this.#takeOver(session)
          this.#changed(session)
        }
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
    if (this.#delivering) return
    this.#delivering = true
    this.#interrupted = false
    this.#attempt = 0
    this.#joinMs ??= performance.now() - this.#joinStart
    this.#refresh()
  }

  /** Whether anything has to arrive: not where the publisher has muted all there is. */
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
    const state = viewerState({
      trouble: this.#trouble,
      stream: this.#stream,
      delivering: this.#delivering,
      everJoined: this.#everGranted,
      interrupted: this.#interrupted,
      lastClosing: this.#lastClosing,
    })
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return
    this.#state = state
    this.emit('state', state)
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
    this.#wake = () => {}
  }
}
