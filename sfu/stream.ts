import { isDeepStrictEqual } from 'node:util'
import type { types } from 'mediasoup'
import type { Logger } from '../common/logger.ts'
import type { IngressToHub, Program, RistInput } from '../common/wire/ingress-ipc.ts'
import type { LogLevel } from '../common/wire/log-level.ts'
import type { StreamClass, StreamState } from '../common/wire/stream.ts'
import type { HubNotifications } from '../common/wire/viewer-protocol.ts'
import { CLASS_PROFILES } from '../policy/classes.ts'
import type { ConsumerCensus } from './consumer-census.ts'
import { IngressSupervisor } from './ingress/ingress-supervisor.ts'
import { Lane, LaneIdentity, type LaneLayout } from './lane.ts'
import type { MediaEvents, StreamName } from './media-events.ts'
import { Outlets } from './outlets.ts'
import type { WorkerSlot } from './worker-pool.ts'

export interface StreamSpec extends StreamName {
  readonly streamClass: StreamClass
  readonly input: RistInput
  /** Loopback port that the ingress's RTP leaves from. */
  readonly rtpPort: number
  readonly logLevel: LogLevel
}

export type CaptureClock = HubNotifications['capture-clock']

/** Whoever watches a stream. Calls come in order; none of them may throw. */
export interface StreamObserver {
  /** The input's state changed. */
  stateChanged(state: StreamState): void
  /** The lane's producers are other ones now (first input, new layout, new worker): consume `producersOn()`. */
  laneChanged(): void
  captureClock(clock: CaptureClock): void
}

export interface StreamDependencies {
  /** The worker to put a lane on, now; undefined while none is up. */
  readonly chooseSlot: () => WorkerSlot | undefined
  readonly census: Pick<ConsumerCensus, 'consumersOf'>
  readonly events: MediaEvents
  readonly logger: Logger
}

const NO_PRODUCERS: readonly types.Producer[] = []

/**
 * One stream: its ingress process, its lane, and those who watch. The stream owns both and closes them; what the
 * ingress reports and what happens to workers is handled one after the other, so that a lane is never made twice.
 */
export class Stream implements AsyncDisposable {
  readonly spec: StreamSpec
  readonly #deps: StreamDependencies
  readonly #identity: LaneIdentity
  readonly #ingress: IngressSupervisor
  readonly #observers = new Set<StreamObserver>()
  readonly #outlets: Outlets
  #state: StreamState = { state: 'waiting' }
  #program: Program | null = null
  #lane: Lane | null = null
  #home: WorkerSlot | undefined
  /** The lane that the ingress which runs now sends to. */
  #pointedAt: Lane | null = null
  #captureClock: CaptureClock | null = null
  /** The recovery buffer that was found to fit the sender's path, ms. */
  #bufferMs: number
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(spec: StreamSpec, deps: StreamDependencies) {
    this.spec = spec
    this.#deps = deps
    this.#identity = new LaneIdentity(spec.streamId)
    this.#outlets = new Outlets(deps.census)
    this.#bufferMs = spec.input.buffer.start_ms
    this.#ingress = new IngressSupervisor(
      { ...spec, input: () => this.#input() },
      { message: (message) => this.#onIngress(message), died: (how) => this.#onIngressDied(how) },
      deps.logger,
    )
  }

  get state(): StreamState {
    return this.#state
  }

  /** Last known tie between RTP timestamps and the camera's clock. */
  get captureClock(): CaptureClock | null {
    return this.#captureClock
  }

  /** Process id of the ingress, for operators and tests. */
  get ingressPid(): number | undefined {
    return this.#ingress.pid
  }

  /** Where the lane lives now, if there is one. */
  get slot(): WorkerSlot | undefined {
    return this.#lane?.alive ? this.#lane.slot : undefined
  }

  /** Where the lane lives or was promised to live; undefined while it has no place. */
  get place(): WorkerSlot | undefined {
    return this.slot ?? (this.#home?.worker.closed ? undefined : this.#home)
  }

  /** Where the lane lives, or will live once there is input; undefined while no worker is up. */
  home(): WorkerSlot | undefined {
    const place = this.place
    if (!place) this.#home = this.#deps.chooseSlot()
    return place ?? this.#home
  }

  get viewers(): number {
    return this.#observers.size
  }

  /** The lane's producers, video first; empty while there is no lane. */
  producers(): readonly types.Producer[] {
    return this.#lane?.alive ? this.#lane.producers : NO_PRODUCERS
  }

  /**
   * The stream's producers on any router of any worker, video first, piped there where it is not the lane's own;
   * empty while there is no lane. They close with the lane, and where nobody consumes them for seconds; ask again
   * at `laneChanged`.
   * @throws when the router closes meanwhile
   */
  async producersOn(router: types.Router): Promise<readonly types.Producer[]> {
    const lane = this.#lane
    if (!lane?.alive) return NO_PRODUCERS
    const { producers } = lane
    if (lane.slot.router === router) return producers
    try {
      return await this.#outlets.on(router, { router: lane.slot.router, producers })
    } catch (error) {
      if (lane.alive || router.closed) throw error
      // The lane was replaced, or died, while it was being piped.
      return this.producersOn(router)
    }
  }

  /** Watches from now on; call what is returned to stop. */
  observe(observer: StreamObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** A worker's successor is up: a lane that died is made anew. */
  workerReplaced(): void {
    if (this.#program && !this.#lane?.alive) this.#enqueue('lane_rebuild', () => this.#attach())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#setState({ state: 'ended' })
    await this.#ingress[Symbol.asyncDispose]()
    await this.#work
    this.#outlets[Symbol.dispose]()
    this.#lane?.close()
  }

  #onIngress(message: IngressToHub): void {
    const { events } = this.#deps
    const name = this.spec
    switch (message.type) {
      case 'ready':
        // A successor process goes on where the last one stood, without waiting to learn what the sender sends.
        if (this.#lane?.alive) this.#point(this.#lane)
        return
      case 'flow':
        return events.flow(name, message.state)
      case 'buffer':
        this.#bufferMs = message.ms
        return events.bufferFitted(name, message.ms, message.rtt_ms)
      case 'program':
        this.#program = message.program
        return this.#enqueue('lane_open', () => this.#attach())
      case 'refused':
        return this.#setState({ state: 'refused', reason: message.message })
      case 'recovered':
        if (this.#state.state === 'refused') this.#setState({ state: 'input_lost' })
        return
      case 'media':
        return this.#onMedia(message.flowing)
      case 'capture':
        return this.#onCapture(message.rtp90k, message.capture_unix_ms, message.source)
      case 'cursors':
        return this.#identity.advance(message)
      case 'stats':
        return events.ingressStats(name, message)
      case 'rejected':
        return events.rejected(name, message.reason, message.detail, message.count)
      case 'issues':
        return events.inputIssues(name, message.counts)
      case 'keyframe-request':
        return
      case 'failed':
        return events.ingressFailed(name, message.code, message.message)
    }
  }

  #input(): RistInput {
    const { input } = this.spec
    return { ...input, buffer: { ...input.buffer, start_ms: this.#bufferMs } }
  }

  #onIngressDied(how: string): void {
    this.#identity.skipUnreported()
    this.#pointedAt = null
    this.#deps.events.ingressDied(this.spec, how)
    if (this.#state.state === 'live') this.#setState({ state: 'input_lost' })
  }

  #onMedia(flowing: boolean): void {
    if (flowing) this.#setState({ state: 'live' })
    else if (this.#state.state === 'live') this.#setState({ state: 'input_lost' })
  }

  #onCapture(rtp90k: number, captureUnixMs: number, source: 'sender' | 'arrival'): void {
    this.#captureClock = { rtp_timestamp: rtp90k >>> 0, capture_unix_ms: captureUnixMs, source }
    for (const observer of this.#observers) observer.captureClock(this.#captureClock)
  }

  /** Makes the lane that the program needs, or keeps the one there is, and points the ingress at it. */
  async #attach(): Promise<void> {
    if (this.#closed || !this.#program) return
    const layout: LaneLayout = { renditions: this.#program.video.length, audio: this.#program.audio !== null }
    const kept = this.#lane?.alive && isDeepStrictEqual(this.#lane.layout, layout) ? this.#lane : null
    if (!kept) {
      const slot = this.home()
      if (!slot) return
      this.#lane?.close()
      this.#lane = await Lane.open(slot, layout, this.#identity, this.spec.rtpPort)
    }
    this.#point(this.#lane!)
    if (!kept) for (const observer of this.#observers) observer.laneChanged()
  }

  /** Points the ingress at a lane, once: an attachment that is repeated would wait for another IDR. */
  #point(lane: Lane): void {
    if (this.#pointedAt === lane) return
    this.#pointedAt = lane
    this.#ingress.send(lane.attachment(CLASS_PROFILES[this.spec.streamClass].playoutDelayMs))
  }

  #setState(state: StreamState): void {
    if (isDeepStrictEqual(state, this.#state)) return
    this.#state = state
    this.#deps.events.streamState(this.spec, state)
    for (const observer of this.#observers) observer.stateChanged(state)
  }

  #enqueue(what: string, work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error) => this.#deps.events.error('lane', what, error))
  }
}
