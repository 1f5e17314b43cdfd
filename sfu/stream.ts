import { isDeepStrictEqual } from 'node:util'
import type { types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import type { LaneClockState } from '../common/wire/lane-ipc.ts'
import type { LayerDemand, TimedData } from '../common/wire/publisher-protocol.ts'
import type { StreamStatisticsAnswer } from '../common/wire/statistics-api.ts'
import type { StreamClass, StreamState } from '../common/wire/stream.ts'
import type { PictureSize } from '../policy/viewed-stream.ts'
import type { ConsumerCensus } from './consumer-census.ts'
import { LayerClaims } from './layer-claims.ts'
import { LayerMeter } from './layer-meter.ts'
import type { MediaEvents, StreamName } from './media-events.ts'
import { trackStatistics } from './media-statistics.ts'
import { Outlets } from './outlets.ts'
import { flows } from './picture-trouble.ts'
import type { Place, Placement } from './placement.ts'
import { PublishedLane } from './relay/published-lane.ts'
import type { Relays } from './relay/relays.ts'
import type {
  CaptureClock,
  DirectSender,
  PublisherControl,
  SourceHost,
  SourceMedia,
  StreamSource,
} from './stream-source.ts'
import type { WorkerSlot } from './worker-pool.ts'

export interface StreamSpec extends StreamName {
  readonly streamClass: StreamClass
}

/** Hears what happens to a stream. An observer leaves out what it need not hear. Calls come in order; none may throw. */
export interface StreamObserver {
  /** The input's state changed. */
  stateChanged?(state: StreamState): void
  /** The producers have changed (first input, new layout, new publisher, new worker): consume `producersOn()`. */
  producersChanged?(): void
  captureClock?(clock: CaptureClock): void
  dataArrived?(data: TimedData): void
}

export interface StreamDependencies {
  readonly placement: Pick<Placement, 'forLane' | 'takeForViewer'>
  readonly census: Pick<ConsumerCensus, 'consumersOf'>
  readonly events: MediaEvents
  readonly relays: Relays
}

const NO_PRODUCERS: readonly types.Producer[] = []

/** Used until a subscriber says what it consumes: everything. */
const ALL_WANTED: LayerDemand = { video: [true, true, true, true], audio: true }

/**
 * One stream: its source, and its watchers. Sources come and go: a field sender's ingress stays for the life of its
 * contract, publishers over WebRTC connect again. The stream closes its present source.
 */
export class Stream implements AsyncDisposable {
  readonly spec: StreamSpec
  /** What subscribers ask of the publisher. */
  readonly claims = new LayerClaims((demand) => this.setDemand(demand))
  /** The bitrate of each layer of the video. */
  readonly meter = new LayerMeter(
    () => this.producers(),
    () => this.pictures,
  )
  readonly #deps: StreamDependencies
  readonly #observers = new Set<StreamObserver>()
  readonly #outlets: Outlets
  #viewers = 0
  #source: StreamSource | null = null
  #lane: PublishedLane | null = null
  #control: PublisherControl | null = null
  #state: StreamState = { state: 'waiting' }
  #demand: LayerDemand = ALL_WANTED
  #toldDemand: LayerDemand = ALL_WANTED
  #home: WorkerSlot | undefined
  readonly #captureClocks = new Map<number, CaptureClock>()
  #closed = false

  constructor(spec: StreamSpec, deps: StreamDependencies) {
    this.spec = spec
    this.#deps = deps
    this.#outlets = new Outlets(deps.census)
  }

  get state(): StreamState {
    return this.#state
  }

  /** Last known ties between RTP timestamps and the camera's clock, one for each RTP clock. */
  get captureClocks(): readonly CaptureClock[] {
    return [...this.#captureClocks.values()]
  }

  /** The worker of the producers, if there are any. */
  get slot(): WorkerSlot | undefined {
    return this.#media?.slot
  }

  /** The worker where the producers live or were promised to live; undefined while they have no place. */
  get place(): WorkerSlot | undefined {
    return this.slot ?? (this.#home?.worker.closed ? undefined : this.#home)
  }

  /** The worker where the producers live, or will live once there is input; undefined while no worker is up. */
  home(): WorkerSlot | undefined {
    const place = this.place
    if (!place) this.#home = this.#deps.placement.forLane()
    return place ?? this.#home
  }

  /**
   * A place for one more viewer: near the lane, or on another worker if the lane's worker is busy. `producersOn` the
   * place's router then pipes the stream there.
   * @throws CodedError `no_worker` or `saturated` (503)
   */
  takeViewerPlace(): Place {
    const home = this.home()
    return this.#deps.placement.takeForViewer((slot) => slot === home || this.#outlets.has(slot.router))
  }

  /** The lane that WebRTC publishers feed one after the other; made for the first publisher. */
  get publishedLane(): PublishedLane {
    this.#lane ??= new PublishedLane(this.spec.streamId, this.#deps.relays, () => this.#producersChanged())
    return this.#lane
  }

  /** Number of present viewers. Subscriptions of the hub's own programs do not count. */
  get viewers(): number {
    return this.#viewers
  }

  /** Counts one more viewer. Dispose of the returned object when the viewer leaves. */
  addViewer(): Disposable {
    this.#countViewers(1)
    this.#deps.events.viewerJoined(this.spec)
    let here = true
    return {
      [Symbol.dispose]: () => {
        if (!here) return
        here = false
        this.#countViewers(-1)
        this.#deps.events.viewerLeft(this.spec)
      },
    }
  }

  /** The producers, video first; empty while there are none. */
  producers(): readonly types.Producer[] {
    return this.#media?.producers ?? NO_PRODUCERS
  }

  /**
   * The stream's producers on any router of any worker, video first, piped there from the stream's own router; empty
   * while there are none. They close with their sources, and when nobody consumes them for seconds. Ask again at
   * `producersChanged`.
   * @throws when the router closes meanwhile
   */
  async producersOn(router: types.Router): Promise<readonly types.Producer[]> {
    const media = this.#media
    if (!media) return NO_PRODUCERS
    const { slot, producers } = media
    if (slot.router === router) return producers
    try {
      return await this.#outlets.on(router, { router: slot.router, producers })
    } catch (error) {
      if (this.producers() === producers || router.closed) throw error
      // The producers were replaced or died while they were being piped.
      return this.producersOn(router)
    }
  }

  /** The media that arrives now, and its worker. */
  async statistics(): Promise<Pick<StreamStatisticsAnswer, 'worker' | 'piped_to' | 'wanted' | 'tracks'>> {
    return {
      worker: this.slot?.index ?? null,
      piped_to: this.#outlets.size,
      wanted: this.#demand,
      // A producer that closes meanwhile is left out.
      tracks: (
        await Promise.allSettled((this.#source?.arriving ?? this.producers()).map(trackStatistics))
      ).flatMap((track) => (track.status === 'fulfilled' ? [track.value] : [])),
    }
  }

  /** Tells an observer what happens from now on. Call the returned function to stop. */
  observe(observer: StreamObserver): () => void {
    this.#observers.add(observer)
    return () => void this.#observers.delete(observer)
  }

  /**
   * Takes media from another source from now on. The former source is closed.
   * @param make gets the host to which the source reports
   * @throws CodedError `stream_ended` (410)
   */
  attach<Source extends StreamSource>(make: (host: SourceHost) => Source): Source {
    if (this.#closed) throw new CodedError('stream_ended', 'the stream was closed')
    let source: Source | null = null
    const made = make(this.#hostOf(() => source !== null && this.#source === source && !this.#closed))
    source = made
    const before = this.#source
    this.#source = made
    this.#captureClocks.clear()
    before?.[Symbol.asyncDispose]().catch((error) => this.#deps.events.error('stream', 'replace', error))
    return made
  }

  /** Goes on without this source, if it is still the stream's source. The caller closes it. */
  detach(source: StreamSource): void {
    if (this.#source !== source) return
    this.#source = null
    if (flows(this.#state)) this.#setState({ state: 'input_lost' })
  }

  /** From now on tells a publisher what is wanted, until the result is disposed of. The last publisher counts. */
  controlledBy(control: PublisherControl): Disposable {
    this.#control = control
    // If no other publisher has come since, there is less to send.
    this.claims.changed()
    return {
      [Symbol.dispose]: () => {
        if (this.#control === control) this.#control = null
      },
    }
  }

  /** Whether the publisher makes a keyframe on request. Otherwise viewers wait for the next one. */
  get answersKeyframes(): boolean {
    return this.#source?.answersKeyframes ?? this.#control?.answersKeyframes ?? false
  }

  /** The sender, if it serves viewers of its own network itself. */
  get direct(): DirectSender | null {
    return this.#control?.direct ?? null
  }

  /** Sizes of the pictures by spatial layer, ascending; empty where nobody knows them. */
  get pictures(): readonly PictureSize[] {
    return this.#source?.pictures ?? []
  }

  /** The clock that ties the stream's pictures to its sound; null before the first publisher. */
  get laneClock(): LaneClockState | null {
    return this.#source?.clock ?? this.#lane?.clock ?? null
  }

  /** How long a new viewer may wait for the first picture, ms; null where a keyframe comes on request. */
  get keyframeEveryMs(): number | null {
    return this.answersKeyframes ? null : (this.#source?.keyframeEveryMs ?? null)
  }

  /** What viewers consume now. The publisher need not send the rest. */
  get demand(): LayerDemand {
    return this.#source?.learning ? ALL_WANTED : this.#demand
  }

  setDemand(demand: LayerDemand): void {
    this.#demand = demand
    this.#tellDemand()
  }

  #tellDemand(): void {
    const { demand } = this
    if (isDeepStrictEqual(demand, this.#toldDemand)) return
    this.#toldDemand = demand
    this.#source?.demanded(demand)
    this.#control?.demanded(demand)
  }

  /** Passes timed metadata on to every viewer. */
  sendData(data: TimedData): void {
    for (const observer of this.#observers) observer.dataArrived?.(data)
  }

  /** Somebody needs an IDR of one rendition (0 is the smallest), or of all. Browsers get this by RTCP anyway. */
  requestKeyframe(rendition: number | null): void {
    this.#control?.requestKeyframe(rendition)
  }

  /** A worker's successor is up: rebuilds what died. */
  workerReplaced(): void {
    this.#source?.workerReplaced()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#setState({ state: 'ended' })
    this.#closed = true
    this.claims[Symbol.dispose]()
    this.meter[Symbol.dispose]()
    this.#outlets[Symbol.dispose]()
    await this.#source?.[Symbol.asyncDispose]()
    this.#lane?.[Symbol.dispose]()
  }

  #producersChanged(): void {
    for (const observer of this.#observers) observer.producersChanged?.()
  }

  #countViewers(by: number): void {
    this.#viewers += by
    this.#control?.viewersChanged(this.#viewers)
  }

  get #media(): SourceMedia | null {
    // A lane stays while its publisher is away.
    return this.#source?.media ?? this.#lane?.media ?? null
  }

  #hostOf(isSource: () => boolean): SourceHost {
    const stream = this
    return {
      home: () => stream.home(),
      get state() {
        return stream.#state
      },
      setState(state) {
        if (isSource()) stream.#setState(state)
      },
      mediaChanged() {
        if (isSource()) stream.#producersChanged()
      },
      learningChanged() {
        if (isSource()) stream.#tellDemand()
      },
      keyframeRequested(rendition) {
        if (isSource()) stream.requestKeyframe(rendition)
      },
      captured(clock) {
        if (!isSource()) return
        stream.#captureClocks.set(clock.layer ?? 0, clock)
        for (const observer of stream.#observers) observer.captureClock?.(clock)
      },
      arrived(arrivals) {
        if (isSource()) stream.#control?.arrived(arrivals)
      },
    }
  }

  #setState(state: StreamState): void {
    if (isDeepStrictEqual(state, this.#state)) return
    const before = this.#state
    this.#state = state
    // Muting concerns publisher and viewers. The stream itself has not changed.
    if (before.state !== state.state || before.reason !== state.reason)
      this.#deps.events.streamState(this.spec, state)
    this.#control?.stateChanged(state)
    for (const observer of this.#observers) observer.stateChanged?.(state)
  }
}
