import type { Device } from 'mediasoup-client'
import {
  type HubNotifications,
  type JoinAnswer,
  joinAnswer,
  type View,
  type WatchedStream,
  watchedStream,
} from '../../common/wire/viewer-protocol.ts'
import { ArrivalPoll } from './arrival-poll.ts'
import { ClockOffset, compareClocks } from './clock-offset.ts'
import { HubConnection } from './hub-connection.ts'
import type { Closing } from './hub-socket.ts'
import { MediaTransport } from './media-transport.ts'
import { MovingMedia } from './moving-media.ts'
import { type ReceivingDevice, receivableVideo } from './receiving-device.ts'
import { Roaming, type RoamingViewing } from './roaming.ts'
import type { StreamWatcher } from './stream-watcher.ts'

/** Clocks that were compared within this time are not compared again, ms. */
const CLOCK_EVERY_MS = 8_000

/** How often to look whether a browser that can't play something can play it now, ms. */
const LOOK_FOR_DECODERS_MS = 3_000

/** Moves without a gap were seen in Chromium and browsers built on it. Other browsers do not move. */
const SEEN_TO_MOVE = /Chrome\//.test(globalThis.navigator?.userAgent ?? '')

/**
 * One WebSocket to the hub and one WebRTC transport, for all streams that a page watches. It joins again when the hub
 * asks for that. When the WebSocket is lost another one takes over, and the transport stays. Where that fails the
 * connection is over, and its watchers start again on another.
 */
export class ViewingConnection {
  /** The present WebSocket. */
  hub: HubConnection
  /** The hub's clock, compared with this page's. */
  readonly clock = new ClockOffset()
  readonly #url: string
  readonly #device: ReceivingDevice
  readonly #ended = Promise.withResolvers<Closing>()
  readonly #roaming: Roaming
  readonly #welcome = Promise.withResolvers<HubNotifications['welcome']>()
  readonly #watchers = new Set<StreamWatcher>()
  #transport: MediaTransport | null = null
  #arrivals: ArrivalPoll | null = null
  #moving: { readonly id: string; readonly media: MovingMedia<StreamWatcher> } | null = null
  #joined: Promise<unknown> | null = null
  #joins = 0
  #over = false
  #takesPaths = false
  #comparedAt = Number.NEGATIVE_INFINITY
  #decoders: ReturnType<typeof setInterval> | undefined

  constructor(url: string, device: ReceivingDevice) {
    this.#url = url
    this.#device = device
    this.hub = this.#connect(this.#welcome)
    this.#welcome.promise.catch(() => {})
    this.#roaming = new Roaming(this.#viewing)
  }

  /** Opens a WebSocket. */
  #connect(welcomed: PromiseWithResolvers<HubNotifications['welcome']>): HubConnection {
    const by = (contractId: string) => this.#by(contractId)
    const hub: HubConnection = new HubConnection(this.#url, {
      welcome: (welcome) => {
        this.#takesPaths = welcome.paths === true
        welcomed.resolve(welcome)
        this.compareClocks()
      },
      stream: ({ contract_id, ...stream }) => by(contract_id)?.streamIs(stream),
      consumerClosed: (data) => by(data.contract_id)?.consumerClosed(data),
      consumerLayer: (data) => by(data.contract_id)?.consumerLayer(data),
      picture: (data) => by(data.contract_id)?.pictureIs(data),
      unplayable: (data) => {
        by(data.contract_id)?.unplayableIs(data)
        if (data.tracks.length > 0) this.#watchDecoders()
      },
      captureClock: (data) => by(data.contract_id)?.captureClock(data),
      abrChanged: (data) => by(data.contract_id)?.abrChanged(data),
      data: (data) => by(data.contract_id)?.data(data),
      rejoin: ({ reason }) => this.#rejoin(reason),
      pathLost: ({ transport_id }) => {
        if (transport_id === this.#transport?.id) this.#roaming.lost('hub')
      },
      consume: async (info) => {
        await this.#joined
        await by(info.contract_id)?.consume(info)
      },
      move: (move) => this.#move(move),
      switch: (transportId) => this.#switch(transportId),
      moveEnded: (transportId) => {
        if (this.#moving?.id === transportId) this.#stay()
      },
      contractEnded: ({ contract_id, reason }) => {
        const watcher = by(contract_id)
        if (watcher) this.#watchers.delete(watcher)
        watcher?.contractEnded(reason)
      },
    })
    void hub.closed.then((closing) => {
      welcomed.reject(new Error(closing.reason))
      if (hub === this.hub) this.#disconnected(closing)
    })
    return hub
  }

  /** A lost WebSocket is replaced where media can go on without it. */
  #disconnected(closing: Closing): void {
    const { cause } = closing
    if ((cause === 'lost' || cause === 'never-opened') && this.#transport !== null && this.#watchers.size > 0)
      this.#roaming.lost(null)
    else this.#end(closing)
  }

  #end(closing: Closing): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#decoders)
    this.#roaming.close()
    this.hub.close(closing.reason)
    this.#retire(closing.reason)
    this.#watchers.clear()
    this.#ended.resolve(closing)
  }

  #fail(reason: string): void {
    this.#end({ cause: 'lost', reason })
  }

  get #viewing(): RoamingViewing {
    const connection = this
    return {
      get hub() {
        return connection.hub
      },
      get transport() {
        return connection.#transport
      },
      get ticket() {
        for (const { ticket } of connection.#watchers) if (ticket !== '') return ticket
        return null
      },
      get expects() {
        return [...connection.#watchers].some(({ expects }) => expects)
      },
      get shownAt() {
        const times = Array.from(connection.#watchers, ({ shownAt }) => shownAt).filter((at) => at !== null)
        return times.length > 0 ? Math.max(...times) : null
      },
      connect: () => {
        const welcomed = Promise.withResolvers<HubNotifications['welcome']>()
        return { hub: this.#connect(welcomed), welcome: welcomed.promise }
      },
      resumed: (hub, streams) => this.#resumed(hub, streams),
      pathIs: (lost) => {
        for (const watcher of this.#watchers) watcher.pathIs(lost)
      },
      failed: (reason) => this.#fail(reason),
    }
  }

  /** ICE restarts of the connection so far. */
  get iceRestarts(): number {
    return this.#roaming.restarts
  }

  /** Media should arrive and does not. Where the path is being looked for, that is known. */
  stalled(reason: string): void {
    if (!this.#roaming.recovering) this.#fail(reason)
  }

  async #resumed(hub: HubConnection, streams: readonly WatchedStream[]): Promise<void> {
    const before = this.hub
    this.hub = hub
    before.close('another connection took over')
    // The new connection may have been lost already.
    if (hub.over) this.#roaming.lost(null)
    const known = new Set<StreamWatcher>()
    await Promise.all(
      streams.map((watched) => {
        const watcher = this.#by(watched.contract_id)
        if (!watcher) return hub.request('unwatch', { contract_id: watched.contract_id }).catch(() => {})
        known.add(watcher)
        this.setView(watched.contract_id, watcher.view)
        return watcher.resumed(watched)
      }),
    )
    for (const watcher of this.#watchers) {
      if (known.has(watcher) || watcher.contractId === '' || !watcher.everJoined) continue
      // Its contract ended while nobody could be told.
      this.#watchers.delete(watcher)
      watcher.contractEnded('expired')
    }
  }

  /** The hub takes the path of media in reports. */
  get takesPaths(): boolean {
    return this.#takesPaths
  }

  get over(): boolean {
    return this.#over
  }

  /** Resolves when the connection is over, with the reason. Never rejects. */
  get closed(): Promise<Closing> {
    return this.#ended.promise
  }

  /** Watches one more stream. The first stream makes the transport. */
  async watch(watcher: StreamWatcher): Promise<void> {
    this.#watchers.add(watcher)
    if (this.#joined === null) return void (await this.#startJoin(watcher))
    await this.#joined
    // A join that came in between has included this stream.
    const transport = this.#transport
    if (!this.#watchers.has(watcher) || transport === null) return
    await this.#roaming.settled
    const { ticket, view } = watcher
    const answer = watchedStream.parse(await this.hub.request('watch', { ticket, view }))
    if (transport === this.#transport) await watcher.joined(transport.open(), answer)
  }

  /** Replaces the present contract by another on the same stream. Its media goes on. */
  async renew(ticket: string, replaces: string): Promise<WatchedStream> {
    return watchedStream.parse(await this.hub.request('watch', { ticket, replaces }))
  }

  /** Stops watching. With nothing left to watch the connection closes. */
  leave(watcher: StreamWatcher, reason: string): void {
    if (!this.#watchers.delete(watcher)) return this.closeIdle(reason)
    if (this.#watchers.size > 0)
      this.hub.request('unwatch', { contract_id: watcher.contractId }).catch(() => {})
    else this.#end({ cause: 'closed-here', reason })
  }

  closeIdle(reason: string): void {
    if (this.#watchers.size === 0) this.#end({ cause: 'closed-here', reason })
  }

  /** Tells how a stream is shown. Before its join, the join tells this. */
  setView(contractId: string, view: View): void {
    if (this.#transport !== null && !this.#over)
      this.hub.request('set-view', { contract_id: contractId, ...view }).catch(() => {})
  }

  compareClocks(): void {
    const now = performance.now()
    if (now - this.#comparedAt < CLOCK_EVERY_MS) return
    this.#comparedAt = now
    void compareClocks(this.hub, this.clock)
  }

  #by(contractId: string): StreamWatcher | undefined {
    for (const watcher of this.#watchers) if (watcher.contractId === contractId) return watcher
    return undefined
  }

  /**
   * Joins again when the browser's decoders have changed: Firefox fetches its H.264 decoder (OpenH264) after its first
   * start.
   */
  #watchDecoders(): void {
    const had = receivableVideo()
    clearInterval(this.#decoders)
    this.#decoders = setInterval(() => {
      if (receivableVideo() === had) return
      clearInterval(this.#decoders)
      this.#device.forget()
      this.#rejoin('this browser can decode more than before')
    }, LOOK_FOR_DECODERS_MS)
  }

  #rejoin(reason: string): void {
    this.#retire(reason)
    const [any] = this.#watchers
    if (any) void this.#startJoin(any)
  }

  #startJoin(watcher: StreamWatcher): Promise<unknown> {
    const joined = this.#join(watcher).catch((error: unknown) => {
      this.#fail(`joining failed: ${error instanceof Error ? error.message : String(error)}`)
    })
    this.#joined = joined
    return joined
  }

  async #join({ ticket, view }: StreamWatcher): Promise<void> {
    const join = ++this.#joins
    const { router_rtp_capabilities, moves } = await this.#welcome.promise
    const device = await this.#device.for(router_rtp_capabilities)
    if (this.#over) return
    const request = this.hub.request('join', {
      ticket,
      rtp_capabilities: device.recvRtpCapabilities,
      view,
      ...(moves === true && SEEN_TO_MOVE && { moves }),
    })
    const answer = joinAnswer.parse(await request)
    // Meanwhile the hub may have asked for another join. Only the last join counts.
    if (join !== this.#joins || this.#over) return
    const transport = this.#open(device, answer)
    await Promise.all(
      answer.streams.map((watched) => this.#by(watched.contract_id)?.joined(transport.open(), watched)),
    )
  }

  #open(device: Device, { transport: parameters, ice }: JoinAnswer): MediaTransport {
    const transport: MediaTransport = new MediaTransport(device, parameters, ice, {
      connect: (connect) => this.hub.request('connect-transport', connect),
      failed: (reason) => {
        if (transport === this.#transport) this.#fail(reason)
      },
      pathLost: () => {
        if (transport === this.#transport) this.#roaming.lost('disconnected')
      },
    })
    this.#take(transport)
    return transport
  }

  /** Makes this the present transport. */
  #take(transport: MediaTransport): void {
    this.#transport = transport
    this.#arrivals?.close()
    this.#arrivals = new ArrivalPoll(
      () => Array.from(this.#watchers, ({ arriving }) => arriving).filter((arriving) => arriving !== null),
      () => transport.getStats(),
    )
  }

  /** Receives everything over a second transport too, and resolves once that delivers. */
  async #move({ transport: parameters, ice, streams }: JoinAnswer): Promise<void> {
    this.#stay()
    const { router_rtp_capabilities } = await this.#welcome.promise
    const device = await this.#device.for(router_rtp_capabilities)
    if (this.#transport === null || this.#over) throw new Error('there is nothing to move')
    const media: MovingMedia<StreamWatcher> = new MovingMedia(
      device,
      { transport: parameters, ice },
      {
        connect: (connect) => this.hub.request('connect-transport', connect),
        failed: (reason) => {
          if (media.transport === this.#transport) this.#fail(reason)
          else media.close()
        },
        pathLost: () => {
          if (media.transport === this.#transport) this.#roaming.lost('disconnected')
        },
      },
    )
    this.#moving = { id: parameters.id, media }
    try {
      await media.receive(
        streams.flatMap((watched) => {
          const watcher = this.#by(watched.contract_id)
          return watcher ? [{ watcher, watched }] : []
        }),
      )
      await media.delivers(({ awaited }) => awaited)
    } catch (error) {
      if (this.#moving?.media === media) this.#stay()
      throw error
    }
  }

  #switch(transportId: string): void {
    const moving = this.#moving
    if (moving?.id !== transportId) throw new Error('that transport is not here')
    this.#moving = null
    const before = this.#transport
    this.#take(moving.media.transport)
    for (const { watcher, media, consumers } of moving.media.media)
      if (this.#watchers.has(watcher)) watcher.moved(media, consumers)
      else media.close()
    before?.release()
  }

  #stay(): void {
    this.#moving?.media.close()
    this.#moving = null
  }

  #retire(reason: string): void {
    const transport = this.#transport
    this.#stay()
    this.#transport = null
    this.#arrivals?.close()
    this.#arrivals = null
    for (const watcher of this.#watchers) watcher.retired(reason)
    transport?.release()
  }
}
