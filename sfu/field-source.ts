import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '../common/logger.ts'
import { pause } from '../common/retry.ts'
import type { IngressToHub, PictureState, Program, RistInput } from '../common/wire/ingress-ipc.ts'
import type { LaneClockState } from '../common/wire/lane-ipc.ts'
import type { StreamClass } from '../common/wire/stream.ts'
import { CLASS_PROFILES } from '../policy/classes.ts'
import type { PictureSize } from '../policy/viewed-stream.ts'
import { type IngressSupervision, IngressSupervisor } from './ingress/ingress-supervisor.ts'
import { Lane, type LaneLayout } from './lane/lane.ts'
import { LaneIdentity } from './lane/lane-identity.ts'
import type { MediaEvents, StreamName } from './media-events.ts'
import { flowingState, flows } from './picture-trouble.ts'
import type { SourceHost, SourceMedia, StreamSource } from './stream-source.ts'

/** How long a worker may take to make a lane that is no longer wanted, ms. */
const LANE_WITHIN_MS = 500

export interface FieldSourceSpec extends StreamName {
  readonly streamClass: StreamClass
  readonly input: RistInput
  /** Loopback port from which the ingress's RTP leaves. */
  readonly rtpPort: number
}

export interface FieldSourceDependencies {
  readonly events: MediaEvents
  readonly ingresses: IngressSupervision
  readonly logger: Logger
}

/**
 * A field sender's media: its ingress process and its lane. Reports of the ingress and events of workers are handled
 * one after the other, so that a lane is never made twice.
 */
export class FieldSource implements StreamSource {
  readonly spec: FieldSourceSpec
  readonly #host: SourceHost
  readonly #events: MediaEvents
  readonly #identity: LaneIdentity
  readonly #ingress: IngressSupervisor
  #program: Program | null = null
  #lane: Lane | null = null
  /** The lane to which the present ingress sends. */
  #pointedAt: Lane | null = null
  /** The recovery buffer that fits the sender's path, ms. */
  #bufferMs: number
  #pictures: PictureState = 'whole'
  #learning = true
  #keyframeEveryMs: number | null = null
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    spec: FieldSourceSpec,
    host: SourceHost,
    { events, ingresses, logger }: FieldSourceDependencies,
  ) {
    this.spec = spec
    this.#host = host
    this.#events = events
    this.#identity = new LaneIdentity(spec.streamId)
    this.#bufferMs = spec.input.buffer.start_ms
    this.#ingress = new IngressSupervisor(
      { ...spec, input: () => this.#input(), awaitsKnock: true },
      {
        message: (message) => this.#onIngress(message),
        died: (how) => this.#onIngressDied(how),
        retired: () => this.#onIngressRetired(),
        portsTaken: (why) => events.portsTaken(spec, why),
      },
      ingresses,
      logger,
    )
  }

  get media(): SourceMedia | null {
    return this.#lane?.alive ? this.#lane : null
  }

  /** True until the present ingress has seen the program: a stopped rendition would be missing in the program. */
  get learning(): boolean {
    return this.#learning
  }

  get pictures(): readonly PictureSize[] {
    return this.#program?.video ?? []
  }

  get clock(): LaneClockState {
    return this.#identity.clock
  }

  get keyframeEveryMs(): number | null {
    return this.#keyframeEveryMs
  }

  /** Process id of the ingress, for operators and tests. */
  get ingressPid(): number | undefined {
    return this.#ingress.pid
  }

  workerReplaced(): void {
    if (this.#program && !this.#lane?.alive) this.#enqueue('lane_rebuild', () => this.#attach())
  }

  /** The sender gets this by its own control channel, if it has one. */
  demanded(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#ingress[Symbol.asyncDispose]()
    const laneClosed = this.#work.then(() => this.#lane?.close())
    // If the worker does not answer, the lane closes once that worker is gone.
    await Promise.race([laneClosed, pause(LANE_WITHIN_MS)])
  }

  #onIngress(message: IngressToHub): void {
    const events = this.#events
    const name = this.spec
    switch (message.type) {
      case 'ready':
        // A successor process goes on from the last one's positions, without waiting to learn the program.
        if (this.#lane?.alive) this.#point(this.#lane)
        return
      case 'flow':
        // Nothing is shown before an IDR. This request makes one arrive by the time the rest is known.
        if (message.state !== 'lost') this.#host.keyframeRequested(null)
        return events.flow(name, message.state)
      case 'buffer':
        this.#bufferMs = message.ms
        return events.bufferFitted(name, message.ms, message.rtt_ms)
      case 'program':
        this.#program = message.program
        if (flows(this.#host.state)) this.#showState()
        this.#setLearning(false)
        return this.#enqueue('lane_open', () => this.#attach())
      case 'refused':
        return this.#host.setState({ state: 'refused', reason: message.message })
      case 'recovered':
        if (this.#host.state.state === 'refused') this.#host.setState({ state: 'input_lost' })
        return
      case 'media':
        return this.#onMedia(message)
      case 'capture': {
        const { rtp90k, capture_unix_ms, source } = message
        return this.#host.captured({ rtp_timestamp: rtp90k >>> 0, capture_unix_ms, source })
      }
      case 'cursors':
        return this.#identity.advance(message)
      case 'arrivals': {
        const { type: _, ...arrivals } = message
        return this.#host.arrived(arrivals)
      }
      case 'stats':
        this.#keyframeEveryMs =
          Math.max(0, ...message.video.map(({ keyframe_gap_ms }) => keyframe_gap_ms)) || null
        return events.ingressStats(name, message)
      case 'rejected':
        return events.rejected(name, message.reason, message.detail, message.count)
      case 'issues':
        return events.inputIssues(name, message.counts)
      case 'keyframe-request':
        return this.#host.keyframeRequested(message.rendition)
      case 'failed':
        return events.ingressFailed(name, message.code, message.message)
      case 'loaded':
      case 'unused':
        // These messages are for the supervisor.
        return
    }
  }

  #input(): RistInput {
    const { input } = this.spec
    return { ...input, buffer: { ...input.buffer, start_ms: this.#bufferMs } }
  }

  #onIngressDied(how: string): void {
    this.#identity.processDied()
    this.#pointedAt = null
    this.#events.ingressDied(this.spec, how)
    this.#setLearning(true)
    if (flows(this.#host.state)) this.#host.setState({ state: 'input_lost' })
  }

  /** The sender is away, or never came. The next process starts afresh. */
  #onIngressRetired(): void {
    this.#pointedAt = null
    this.#setLearning(true)
  }

  #onMedia({ flowing, pictures }: Extract<IngressToHub, { type: 'media' }>): void {
    this.#pictures = pictures
    if (flowing) this.#showState()
    else if (flows(this.#host.state)) this.#host.setState({ state: 'input_lost' })
  }

  #showState(): void {
    this.#host.setState(flowingState(this.#pictures, this.#program?.audio_refusal ?? null))
  }

  #setLearning(learning: boolean): void {
    if (this.#learning === learning) return
    this.#learning = learning
    this.#host.learningChanged()
  }

  /** Makes the lane that the program needs, or keeps the present one, and points the ingress at it. */
  async #attach(): Promise<void> {
    if (this.#closed || !this.#program) return
    const layout: LaneLayout = { renditions: this.#program.video.length, audio: this.#program.audio !== null }
    const kept = this.#lane?.alive && isDeepStrictEqual(this.#lane.layout, layout) ? this.#lane : null
    if (!kept) {
      const slot = this.#host.home()
      if (!slot) return
      this.#lane?.close()
      this.#lane = await Lane.open(slot, layout, this.#identity, this.spec.rtpPort)
    }
    this.#point(this.#lane!)
    if (!kept) this.#host.mediaChanged()
  }

  /** Points the ingress at a lane, once: a repeated attachment would wait for another IDR. */
  #point(lane: Lane): void {
    if (this.#pointedAt === lane) return
    this.#pointedAt = lane
    this.#identity.resume(lane.layout.renditions > 1)
    this.#ingress.send(lane.attachment(CLASS_PROFILES[this.spec.streamClass].playoutDelayMs))
    // The ingress sends from the next IDR on.
    this.#host.keyframeRequested(null)
  }

  #enqueue(what: string, work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error) => this.#events.error('lane', what, error))
  }
}
