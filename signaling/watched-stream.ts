import type { Abr } from '../common/wire/flow-contract.ts'
import type { TimedData } from '../common/wire/publisher-protocol.ts'
import type { ViewerMediaStatistics } from '../common/wire/statistics-api.ts'
import type { StreamState } from '../common/wire/stream.ts'
import type {
  ConsumerInfo,
  HubNotifications,
  View,
  WatchedStream as WatchedStreamInfo,
} from '../common/wire/viewer-protocol.ts'
import type { PileUp } from '../policy/link-queue.ts'
import type { StreamView } from '../policy/viewed-stream.ts'
import type { Stream, StreamObserver } from '../sfu/stream.ts'
import type { CaptureClock } from '../sfu/stream-source.ts'
import type { PictureState, UnplayableTrack, ViewedMedia, ViewedMediaListener } from '../sfu/viewed-media.ts'
import type { Viewer } from '../sfu/viewer.ts'
import type { AdmittedViewer, ContractListener } from './viewer-admission.ts'

/** What a page that says nothing does with a stream. */
const SHOWN: StreamView = { tile: null, visible: true, focused: false, audio: true, video: true }

/** The connection that a stream is watched on. */
export interface WatchingConnection {
  notify<Method extends keyof HubNotifications>(method: Method, data: HubNotifications[Method]): void
  /** Asks the browser to receive a consumer. Rejects when it does not answer. */
  offer(consumer: ConsumerInfo): Promise<void>
  /** The contract of this stream is over; its media has stopped. */
  ended(watched: WatchedStream): void
  /** What a move is about has changed. */
  disturbed(): void
  failed(kind: string, error: unknown): void
  /** The browser has no decoder for these codecs. */
  unplayable(codecs: string): void
}

interface Carried {
  readonly viewer: Viewer
  readonly media: ViewedMedia
}

/**
 * One stream on a viewer's connection, by one contract: turns its facts into notifications, and holds its media on the
 * transport that the connection has now.
 */
export class WatchedStream implements StreamObserver, ContractListener, ViewedMediaListener, Disposable {
  readonly stream: Stream
  readonly #connection: WatchingConnection
  readonly #stopObserving: () => void
  #admitted: AdmittedViewer
  #abr: Abr
  #priority: number
  #view: StreamView = SHOWN
  #carried: Carried | null = null
  /** On the transport that the connection is moving to, beside the one of now. */
  #moving: Carried | null = null
  /** What it said of its picture there. */
  #pictureThere: PictureState | null = null
  #closed = false

  /** @param admit lets it in by its ticket; throws the refusal */
  constructor(
    connection: WatchingConnection,
    admit: (listener: ContractListener) => AdmittedViewer,
    view: View | undefined,
  ) {
    this.#connection = connection
    this.#admitted = admit(this)
    this.#admitted.connected()
    this.stream = this.#admitted.stream
    this.#abr = this.#admitted.abr
    this.#priority = this.#admitted.priority
    this.#mergeView(view ?? {})
    this.#stopObserving = this.stream.observe(this)
  }

  get contractId(): string {
    return this.#admitted.contractId
  }

  get abr(): Abr {
    return this.#abr
  }

  /**
   * Goes on over the transport of a join: the browser is not connected to it yet, so all may start at once.
   * @throws CodedError `codec_not_supported` (415)
   */
  async joinOn(viewer: Viewer): Promise<WatchedStreamInfo> {
    const media = this.#carry(viewer)
    const consumers = await media.consume(false)
    // Nobody was there to be told of producers that changed meanwhile; their consumers follow this answer.
    if (!media.complete) setImmediate(() => this.producersChanged())
    return this.describe(consumers.map((consumer) => this.#named(consumer)))
  }

  /** Goes on over a transport that is in use already: its consumers are offered when this answer has left. */
  addTo(viewer: Viewer): WatchedStreamInfo {
    this.#carry(viewer)
    setImmediate(() => this.producersChanged())
    return this.describe([])
  }

  /** Goes on over another transport beside the one of now, until {@link moved} or {@link stayed}. */
  async moveTo(viewer: Viewer): Promise<WatchedStreamInfo> {
    this.#pictureThere = null
    const media = this.#addTo(viewer, this.#listenThere)
    this.#moving = { viewer, media }
    viewer.bound()
    const consumers = await media.consume(false)
    if (!media.complete) this.#connection.disturbed()
    return this.describe(consumers.map((consumer) => this.#named(consumer)))
  }

  /** The transport that it moved to is the one of now. */
  moved(): void {
    // Whoever stopped to watch meanwhile has nothing to go on with.
    if (this.#moving === null) return
    const before = this.#carried
    const { viewer, media } = this.#moving
    this.#carried = { viewer, media }
    this.#moving = null
    before?.viewer.remove(before.media)
    // What changed since the page was told to switch.
    media.terms = { ...media.terms, abr: this.#abr, priority: this.#priority }
    media.setView(this.#view)
    viewer.bound()
    if (this.#pictureThere) this.pictureChanged(this.#pictureThere)
    if (!media.complete) this.producersChanged()
  }

  /** The transport of now is kept. */
  stayed(): void {
    this.#moving?.viewer.remove(this.#moving.media)
    this.#moving = null
  }

  describe(consumers: ConsumerInfo[]): WatchedStreamInfo {
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

  /** Goes on under another contract on the same stream; the one before gives its place back. */
  renew(admit: (listener: ContractListener) => AdmittedViewer): void {
    const before = this.#admitted
    this.#admitted = admit(this)
    this.#admitted.connected()
    before.leave()
    this.#bound(this.#admitted.abr)
  }

  setView(view: View): void {
    this.#mergeView(view)
    if (this.#moving) this.#connection.disturbed()
    this.#carried?.media.setView(this.#view)
  }

  /** Its pictures pile up in front of the browser's link. */
  congested(seen: PileUp): void {
    this.#carried?.viewer.congested(seen)
  }

  /** How many consumers it has. */
  get consumers(): number {
    return this.#carried?.media.consumers.length ?? 0
  }

  /** The media of it that has this consumer. */
  mediaOf(consumerId: string): ViewedMedia | undefined {
    const media = this.#carried?.media
    return media?.has(consumerId) ? media : undefined
  }

  /** The transport is gone; another one carries it on. */
  lostTransport(): void {
    this.#carried = null
  }

  stateChanged(state: StreamState): void {
    this.#connection.notify('stream', { contract_id: this.contractId, ...state })
  }

  consumersDue(): void {
    this.producersChanged()
  }

  producersChanged(): void {
    if (this.#moving) this.#connection.disturbed()
    const carried = this.#carried
    if (carried)
      this.#offerNew(carried.media).catch((error) => {
        // A viewer that leaves or joins anew while it is being offered something is no failure.
        if (this.#carried === carried) this.#connection.failed('consume', error)
      })
  }

  captureClock(clock: CaptureClock): void {
    this.#connection.notify('capture-clock', { contract_id: this.contractId, ...clock })
  }

  dataArrived(data: TimedData): void {
    this.#connection.notify('data', { contract_id: this.contractId, ...data })
  }

  abrChanged(abr: Abr, reasons: readonly string[]): void {
    this.#bound(abr)
    this.#connection.notify('abr-changed', { contract_id: this.contractId, abr, reasons: [...reasons] })
  }

  priorityChanged(priority: number): void {
    if (this.#moving) this.#connection.disturbed()
    this.#priority = priority
    this.#carried?.media.setPriority(priority)
  }

  async statistics(): Promise<ViewerMediaStatistics | null> {
    const carried = this.#carried
    return carried ? carried.viewer.statistics(carried.media) : null
  }

  contractEnded(reason: 'expired' | 'revoked'): void {
    this.#drop()
    this.#connection.notify('contract-ended', { contract_id: this.contractId, reason })
    this.#connection.ended(this)
  }

  unplayable(tracks: readonly UnplayableTrack[]): void {
    if (tracks.length > 0) this.#connection.unplayable(tracks.map(({ mime_type }) => mime_type).join(', '))
    this.#connection.notify('unplayable', { contract_id: this.contractId, tracks: [...tracks] })
  }

  consumerClosed(consumerId: string): void {
    this.#connection.notify('consumer-closed', { contract_id: this.contractId, consumer_id: consumerId })
  }

  layerChanged(consumerId: string, spatialLayer: number | null): void {
    this.#connection.notify('consumer-layer', {
      contract_id: this.contractId,
      consumer_id: consumerId,
      spatial_layer: spatialLayer,
    })
  }

  pictureChanged({ paused, reason }: PictureState): void {
    this.#connection.notify('picture', { contract_id: this.contractId, paused, reason })
  }

  /** Its viewer is done with it. */
  leave(): void {
    if (!this.#closed) this.#admitted.leave()
    this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    this.#drop()
    this.#stopObserving()
    this.#admitted[Symbol.dispose]()
  }

  async #offerNew(media: ViewedMedia): Promise<void> {
    for (const consumer of await media.consume(true)) {
      await this.#connection.offer(this.#named(consumer))
      media.resume(consumer.consumer_id)
    }
  }

  #bound(abr: Abr): void {
    if (this.#moving) this.#connection.disturbed()
    this.#abr = abr
    const carried = this.#carried
    if (!carried) return
    carried.media.terms = { ...carried.media.terms, abr }
    carried.viewer.bound()
  }

  #carry(viewer: Viewer): ViewedMedia {
    this.#drop()
    const media = this.#addTo(viewer)
    this.#carried = { viewer, media }
    viewer.bound()
    for (const clock of this.stream.captureClocks) this.captureClock(clock)
    return media
  }

  #addTo(viewer: Viewer, listener: ViewedMediaListener = this): ViewedMedia {
    return viewer.add(this.stream, { abr: this.#abr, priority: this.#priority, view: this.#view }, listener)
  }

  /** Of media that a move is about: until it is what is shown, the page is told nothing of its picture. */
  readonly #listenThere: ViewedMediaListener = {
    unplayable: (tracks) => this.unplayable(tracks),
    consumerClosed: (id) => {
      if (this.#moving) this.#connection.disturbed()
      else this.consumerClosed(id)
    },
    consumersDue: () => this.consumersDue(),
    layerChanged: (id, layer) => this.layerChanged(id, layer),
    pictureChanged: (picture) => {
      if (!this.#moving) return this.pictureChanged(picture)
      this.#pictureThere = picture
      // Both together are too much for the link: the viewer would be without a picture there.
      if (picture.paused && picture.reason === 'bandwidth') this.#connection.disturbed()
    },
  }

  #drop(): void {
    if (this.#moving) this.#connection.disturbed()
    this.stayed()
    this.#carried?.viewer.remove(this.#carried.media)
    this.#carried = null
  }

  #named(consumer: Omit<ConsumerInfo, 'contract_id'>): ConsumerInfo {
    return { ...consumer, contract_id: this.contractId }
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
