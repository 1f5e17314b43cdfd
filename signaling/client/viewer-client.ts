import { Device } from 'mediasoup-client'
import type { StreamState } from '../../common/wire/stream.ts'
import { type ConsumerInfo, type HubNotifications, joinAnswer } from '../../common/wire/viewer-protocol.ts'
import { GlassToGlass } from './glass-to-glass.ts'
import { type Closing, HubConnection } from './hub-connection.ts'
import { MediaSession } from './media-session.ts'
import { routerRtpCapabilities } from './mediasoup-shapes.ts'
import { Playback } from './playback.ts'
import { reconnectDelayMs } from './reconnect-delay.ts'
import { listStreams } from './stream-list.ts'
import { TypedEmitter } from './typed-emitter.ts'
import { ViewerMonitor, type ViewerStatistics } from './viewer-monitor.ts'
import { type ViewerState, viewerState } from './viewer-state.ts'

export interface ViewerOptions {
  /** The hub's address, as `https://hub.example:9415`. */
  readonly hubUrl: string
  readonly streamId: string
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
 * Watches one stream, from `start` to `close`: connects, joins, plays, and comes back by itself from whatever
 * breaks in between. It never gives up; a stream the hub does not know is asked for again every few seconds.
 */
export class ViewerClient extends TypedEmitter<ViewerEvents> {
  readonly #options: ViewerOptions
  readonly #playback: Playback
  readonly #monitor: ViewerMonitor
  readonly #glassToGlass = new GlassToGlass()
  #device: { readonly device: Promise<Device>; readonly capabilities: string } | null = null
  #hub: HubConnection | null = null
  #media: MediaSession | null = null
  /** Session whose last picture stands on the screen until the one of now delivers. */
  #retired: MediaSession | null = null
  #joined: Promise<unknown> = Promise.resolve()
  #joins = 0
  #attempt = 0
  #closed = false
  #wake = (): void => {}

  #state: ViewerState = { name: 'connecting' }
  #failure: string | null = null
  #stream: StreamState | null = null
  #presented = false
  #delivering = false
  #everJoined = false
  #interrupted = false
  #lastClosing = ''
  #joinStart = 0
  #joinMs: number | null = null
  #spatialLayer: number | null = null

  constructor(options: ViewerOptions) {
    super()
    this.#options = options
    this.#playback = new Playback(options.video, (frame) => {
      if (this.#presented) this.#delivered()
      this.#glassToGlass.add(frame)
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
      this.#deviceFor(routerCapabilities).catch(() => {})
    addEventListener('online', this.retryNow)
    void this.#run()
  }

  /** Stops a wait between two attempts. */
  retryNow = (): void => this.#wake()

  close(): void {
    this.#closed = true
    removeEventListener('online', this.retryNow)
    this.#monitor.close()
    this.#hub?.close('the viewer left')
    this.#wake()
    this.#retired?.close()
    this.#media?.close()
    this.#playback.close()
  }

  async #run(): Promise<void> {
    if (!('RTCPeerConnection' in globalThis)) {
      this.#failure = 'this browser has no WebRTC'
      this.#refresh()
      return
    }
    while (!this.#closed) {
      const closing = await this.#connect()
      if (this.#closed) return
      const unknown = closing.cause === 'never-opened' && (await this.#isUnknown())
      this.#lastClosing = closing.reason
      this.#failure = unknown ? `there is no stream “${this.#options.streamId}” on this server` : null
      this.#refresh()
      await this.#pause(reconnectDelayMs(this.#attempt++, unknown))
    }
  }

  /** One connection, from its handshake to its end. */
  async #connect(): Promise<Closing> {
    this.#joinStart = performance.now()
    this.#joinMs = null
    const url = new URL('/protoo', this.#options.hubUrl)
    url.protocol = url.protocol.replace('http', 'ws')
    url.searchParams.set('stream_id', this.#options.streamId)
    let capabilities: HubNotifications['welcome']['router_rtp_capabilities'] = {}
    const hub: HubConnection = new HubConnection(url.href, {
      welcome: (welcome) => {
        capabilities = welcome.router_rtp_capabilities
        this.#everJoined = true
        this.#failure = null
        this.#setStream(welcome.stream)
        this.#startJoin(hub, capabilities)
        void this.#monitor.compareClocks(hub)
      },
      stream: (stream) => this.#setStream(stream),
      consumerClosed: ({ consumer_id }) => {
        this.#media?.closeConsumer(consumer_id)
        this.#tellMedia()
      },
      consumerLayer: ({ consumer_id, spatial_layer }) => {
        if (consumer_id === this.#media?.consumerId('video')) this.#spatialLayer = spatial_layer
      },
      rejoin: ({ reason }) => {
        this.#lastClosing = reason
        this.#retireMedia()
        this.#refresh()
        this.#startJoin(hub, capabilities)
      },
      captureClock: (reference) => this.#glassToGlass.captureClock(reference),
      consume: async (info) => {
        await this.#joined
        if (this.#media !== null) await this.#consume(this.#media, [info])
      },
    })
    this.#hub = hub
    const closing = await hub.closed
    this.#hub = null
    this.#stream = null
    this.#retireMedia()
    return closing
  }

  #startJoin(hub: HubConnection, capabilities: object): void {
    this.#joined = this.#join(hub, capabilities).catch((error: unknown) => {
      hub.close(`joining failed: ${error instanceof Error ? error.message : String(error)}`, 'lost')
    })
  }

  async #join(hub: HubConnection, capabilities: object): Promise<void> {
    const join = ++this.#joins
    const device = await this.#deviceFor(capabilities)
    // The new transport's clock may come before the answer.
    this.#glassToGlass.reset()
    const request = hub.request('join', { rtp_capabilities: device.recvRtpCapabilities })
    const answer = joinAnswer.parse(await request)
    // Meanwhile the hub may have asked for another join, which is the one that counts.
    if (join !== this.#joins || this.#closed) return
    const media: MediaSession = new MediaSession(device, answer.transport, {
      connect: (connect) => hub.request('connect-transport', connect),
      failed: (reason) => {
        if (media === this.#media) hub.close(reason, 'lost')
      },
    })
    this.#retireMedia()
    this.#media = media
    this.#setStream(answer.stream)
    await this.#consume(media, answer.consumers)
  }

  /** The device for a router: making one asks the browser for its codecs, which takes some 20 ms. */
  #deviceFor(capabilities: object): Promise<Device> {
    const key = JSON.stringify(capabilities)
    if (this.#device?.capabilities !== key)
      this.#device = { device: loadDevice(capabilities), capabilities: key }
    return this.#device.device
  }

  /** The session of now will not go on. If it showed something it is kept until the next one does. */
  #retireMedia(): void {
    if (this.#delivering) {
      this.#retired?.close()
      this.#retired = this.#media
      this.#interrupted = true
    } else {
      this.#media?.close()
    }
    this.#media = null
    this.#presented = false
    this.#delivering = false
    this.#spatialLayer = null
  }

  async #consume(media: MediaSession, infos: readonly ConsumerInfo[]): Promise<void> {
    for (const consumer of await media.consume(infos)) {
      this.#playback.present(consumer.track, () => {
        if (media !== this.#media || (consumer.kind === 'audio' && media.has('video'))) return
        this.#presented = true
        this.#retired?.close()
        this.#retired = null
      })
    }
    if (media === this.#media) this.#tellMedia()
  }

  #tellMedia(): void {
    const media = this.#media
    this.emit('media', { audio: media?.has('audio') ?? false, video: media?.has('video') ?? false })
  }

  #setStream(stream: StreamState): void {
    const wasLive = this.#stream?.state === 'live'
    // Waiting for a sender is no part of the time a join takes.
    if (stream.state === 'live' && !wasLive && this.#stream !== null) this.#joinStart = performance.now()
    if (stream.state !== 'live') {
      this.#attempt = 0
      this.#interrupted = false
    }
    this.#stream = stream
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

  async #isUnknown(): Promise<boolean> {
    const streams = await listStreams(this.#options.hubUrl).catch(() => null)
    return streams !== null && !streams.some(({ stream_id }) => stream_id === this.#options.streamId)
  }

  #startMonitor(): ViewerMonitor {
    const viewer = this
    return new ViewerMonitor({
      get hub() {
        return viewer.#hub
      },
      get media() {
        return viewer.#media
      },
      get expectsMedia() {
        return viewer.#stream?.state === 'live'
      },
      get joinMs() {
        return viewer.#joinMs
      },
      get spatialLayer() {
        return viewer.#spatialLayer
      },
      glassToGlass: this.#glassToGlass,
      delivered: () => this.#delivered(),
      statistics: (statistics) => this.emit('statistics', statistics),
    })
  }

  #refresh(): void {
    const state = viewerState({
      failure: this.#failure,
      stream: this.#stream,
      delivering: this.#delivering,
      everJoined: this.#everJoined,
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

async function loadDevice(capabilities: object): Promise<Device> {
  const device = await Device.factory()
  await device.load({ routerRtpCapabilities: routerRtpCapabilities.parse(capabilities) })
  return device
}
