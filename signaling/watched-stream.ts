import type { Abr, IceAccess } from '../common/wire/flow-contract.ts'
import type { View, ViewerPath, WatchedStream as WatchedStreamInfo } from '../common/wire/viewer-protocol.ts'
import type { PileUp } from '../policy/link/queue.ts'
import type { StreamView } from '../policy/viewed-stream.ts'
import type { Stream } from '../sfu/stream.ts'
import type { CaptureClock } from '../sfu/stream-source.ts'
import type { ViewedMedia, ViewingClient } from '../sfu/viewed-media.ts'
import type { Viewer } from '../sfu/viewer.ts'
import type { AdmittedViewer, ContractListener } from './viewer-admission.ts'

/** How a client shows a stream as long as it says nothing. */
const SHOWN: StreamView = { tile: null, visible: true, focused: false, audio: true, video: true }

export interface WatchedStreamOptions {
  /** Lets the client in by its ticket; throws the refusal. */
  readonly admit: (listener: ContractListener) => AdmittedViewer
  readonly client: ViewingClient
  readonly view: View
  /** Something changed that a running move depends on. */
  readonly disturbed: () => void
  /** The contract is over, and the media has stopped. */
  readonly ended: (watched: WatchedStream) => void
}

interface Carried {
  readonly viewer: Viewer
  readonly media: ViewedMedia
}

/** One stream that a client watches, by one contract, and its media on the transport that the client has now. */
export class WatchedStream implements Disposable {
  readonly stream: Stream
  readonly #options: WatchedStreamOptions
  readonly #stack: DisposableStack
  #admitted: AdmittedViewer
  #abr: Abr
  #priority: number
  #view: StreamView = SHOWN
  #path: ViewerPath | null = null
  #carried: Carried | null = null
  /** The media on the transport to which the client is moving. The present transport still carries the stream. */
  #moving: Carried | null = null

  constructor(options: WatchedStreamOptions) {
    this.#options = options
    using stack = new DisposableStack()
    this.#admitted = options.admit(this.#contract)
    stack.defer(() => this.#admitted[Symbol.dispose]())
    this.stream = this.#admitted.stream
    this.#abr = this.#admitted.abr
    this.#priority = this.#admitted.priority
    this.#mergeView(options.view)
    stack.use(this.stream.addViewer())
    stack.defer(
      this.stream.observe({
        stateChanged: (state) => options.client.tell('stream', { contract_id: this.contractId, ...state }),
        captureClock: (clock) => this.#tellClock(clock),
        dataArrived: (data) => options.client.tell('data', { contract_id: this.contractId, ...data }),
        producersChanged: () => this.#disturb(),
      }),
    )
    stack.defer(() => this.#drop())
    this.#stack = stack.move()
  }

  get contractId(): string {
    return this.#admitted.contractId
  }

  /** The contract was granted to somebody without a token. */
  get anonymous(): boolean {
    return this.#admitted.anonymous
  }

  get abr(): Abr {
    return this.#abr
  }

  /** The relays for a transport that this stream begins. */
  ice(): IceAccess {
    return this.#admitted.ice()
  }

  /** The transport goes on without this stream, for another one. */
  passRelays(other: WatchedStream): void {
    this.#admitted.passRelays(other.contractId)
  }

  get over(): boolean {
    return this.#stack.disposed
  }

  /** The media on the present transport. */
  get media(): ViewedMedia | undefined {
    return this.#carried?.media
  }

  /** Somebody is at the other end of the transport. Until then the place gives way where there are too many. */
  connected(): void {
    this.#admitted.connected()
  }

  /** The client's connection is lost. Until its next one comes, the place gives way where there are too many. */
  away(): void {
    this.#admitted.away()
  }

  /** The client has another connection, and is told what it may have missed. Returns the media that it has. */
  back(): WatchedStreamInfo {
    const media = this.#carried?.media
    media?.tellAll()
    for (const clock of this.stream.captureClocks) this.#tellClock(clock)
    // Consumers that the client does not have are offered when this answer has left.
    setImmediate(() => media?.offerAgain())
    return this.describe(media?.received() ?? [])
  }

  /**
   * Goes on over the transport of a join. The client is not connected to it yet, so all consumers may start at once.
   * @throws CodedError `codec_not_supported` (415)
   */
  async joinOn(viewer: Viewer): Promise<WatchedStreamInfo> {
    const media = this.#carry(viewer)
    const consumers = await media.consume(false)
    // Producers that came meanwhile are offered when this answer has left.
    setImmediate(() => media.follow())
    return this.describe(consumers)
  }

  /** Goes on over a transport that is in use already. Consumers are offered after this answer has left. */
  addTo(viewer: Viewer): WatchedStreamInfo {
    const media = this.#carry(viewer)
    setImmediate(() => media.follow())
    return this.describe([])
  }

  /** Goes on over a second transport, until {@link moved} or {@link stayed}. */
  async moveTo(viewer: Viewer): Promise<WatchedStreamInfo> {
    const media = this.#addTo(viewer, this.#clientThere)
    this.#moving = { viewer, media }
    viewer.bound()
    const consumers = await media.consume(false)
    if (!media.complete) this.#disturb()
    return this.describe(consumers)
  }

  /** The second transport replaces the first. */
  moved(): void {
    // A stream that is no longer watched has nothing to go on with.
    if (this.#moving === null) return
    const before = this.#carried
    const { viewer, media } = this.#moving
    this.#carried = { viewer, media }
    this.#moving = null
    before?.viewer.remove(before.media)
    // Terms and view may have changed since the client was told to switch.
    media.terms = { ...media.terms, contractId: this.contractId, abr: this.#abr, priority: this.#priority }
    media.setView(this.#view)
    viewer.bound()
    const { picture } = media
    if (picture) this.#options.client.tell('picture', { contract_id: this.contractId, ...picture })
    media.follow()
  }

  /** The first transport stays. */
  stayed(): void {
    this.#moving?.viewer.remove(this.#moving.media)
    this.#moving = null
  }

  describe(consumers: WatchedStreamInfo['consumers']): WatchedStreamInfo {
    const { tenantId, streamId } = this.stream.spec
    const { keyframeEveryMs } = this.stream
    return {
      contract_id: this.contractId,
      tenant_id: tenantId,
      stream_id: streamId,
      stream: this.stream.state,
      ...(keyframeEveryMs !== null && { keyframe_every_ms: Math.round(keyframeEveryMs) }),
      abr: this.#abr,
      consumers,
    }
  }

  /** Goes on under another contract on the same stream. The former contract gives its place back. */
  renew(admit: WatchedStreamOptions['admit']): void {
    const before = this.#admitted
    this.#admitted = admit(this.#contract)
    before.passRelays(this.contractId)
    before.leave()
    this.#bound(this.#admitted.abr)
  }

  setView(view: View): void {
    this.#mergeView(view)
    this.#disturb()
    this.#carried?.media.setView(this.#view)
  }

  /** How media reaches the client now, by its own word. */
  takes(path: ViewerPath): void {
    this.#path = path
  }

  /** Pictures pile up in front of the client's link. */
  congested(seen: PileUp): void {
    this.#carried?.viewer.congested(seen)
  }

  /** The transport is gone. Another one will carry the stream on. */
  lostTransport(): void {
    this.#path = null
    this.#carried = null
  }

  /** The viewer is done with the stream. */
  leave(): void {
    if (!this.over) this.#admitted.leave()
    this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.#stack.dispose()
  }

  readonly #contract: ContractListener = {
    abrChanged: (abr, reasons) => {
      this.#bound(abr)
      const about = { contract_id: this.contractId, abr, reasons: [...reasons] }
      this.#options.client.tell('abr-changed', about)
    },
    priorityChanged: (priority) => {
      this.#disturb()
      this.#priority = priority
      this.#carried?.media.setPriority(priority)
    },
    path: () => (this.#carried === null ? null : this.#path),
    statistics: async () => {
      const carried = this.#carried
      return carried ? carried.viewer.statistics(carried.media) : null
    },
    contractEnded: (reason) => {
      this.#drop()
      this.#options.client.tell('contract-ended', { contract_id: this.contractId, reason })
      this.#options.ended(this)
    },
  }

  #bound(abr: Abr): void {
    this.#disturb()
    this.#abr = abr
    const carried = this.#carried
    if (!carried) return
    carried.media.terms = { ...carried.media.terms, contractId: this.contractId, abr }
    carried.viewer.bound()
  }

  #carry(viewer: Viewer): ViewedMedia {
    this.#drop()
    const media = this.#addTo(viewer, this.#options.client)
    this.#carried = { viewer, media }
    viewer.bound()
    for (const clock of this.stream.captureClocks) this.#tellClock(clock)
    return media
  }

  #addTo(viewer: Viewer, client: ViewingClient): ViewedMedia {
    const terms = { contractId: this.contractId, abr: this.#abr, priority: this.#priority, view: this.#view }
    return viewer.add(this.stream, terms, client)
  }

  /** The client, for media on a second transport: it hears nothing of that media's picture until it shows the media. */
  readonly #clientThere: ViewingClient = {
    offer: (consumer) => this.#options.client.offer(consumer),
    tell: (...news) => {
      const [method, data] = news
      if (!this.#moving || (method !== 'consumer-closed' && method !== 'picture'))
        return this.#options.client.tell(...news)
      // Both transports together are too much for the link: the viewer would have no picture on the second one.
      if (method === 'consumer-closed' || (data.paused && data.reason === 'bandwidth')) this.#disturb()
    },
  }

  #disturb(): void {
    if (this.#moving) this.#options.disturbed()
  }

  #drop(): void {
    this.#disturb()
    this.stayed()
    this.#carried?.viewer.remove(this.#carried.media)
    this.#carried = null
  }

  #tellClock(clock: CaptureClock): void {
    this.#options.client.tell('capture-clock', { contract_id: this.contractId, ...clock })
  }

  #mergeView({ width, height, visible, focused, audio, video }: View): void {
    const before = this.#view
    const tile =
      width === undefined && height === undefined
        ? before.tile
        : { width: width ?? before.tile?.width ?? 0, height: height ?? before.tile?.height ?? 0 }
    this.#view = {
      tile,
      visible: visible ?? before.visible,
      focused: focused ?? before.focused,
      audio: audio ?? before.audio,
      video: video ?? before.video,
    }
  }
}
