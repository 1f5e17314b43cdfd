import { STEADY_BASE_MS, SYSTEM_CLOCK, steadyOf } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import { pause } from '../../common/retry.ts'
import type { LaneClockState } from '../../common/wire/lane-ipc.ts'
import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import type { HubToSwitch, OnAir, SwitchToHub } from '../../common/wire/switch-ipc.ts'
import { SLATE, type SwitchRules } from '../../common/wire/switched-inputs.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import type { PictureSize } from '../../policy/viewed-stream.ts'
import type { Lane } from '../lane/lane.ts'
import type { MediaEvents } from '../media-events.ts'
import { flows } from '../picture-trouble.ts'
import type { Stream, StreamSpec } from '../stream.ts'
import type { SourceHost, SourceMedia, StreamSource } from '../stream-source.ts'
import { InputClaims } from './input-claims.ts'
import type { InputFeed } from './input-feed.ts'
import { InputFeeds, type InputSpec, refuseInputs } from './input-feeds.ts'
import { LaneSlate, type Slates } from './lane-slate.ts'
import { PendingTakes, type TakeResult } from './pending-takes.ts'
import { SwitchProcess, type SwitchProcesses } from './switch-process.ts'
import type { InputHealthTold, InputStatus, Switched, SwitchObserver, SwitchStatus } from './switch-status.ts'
import { SwitchedLane } from './switched-lane.ts'
import type { SwitchedOptions } from './switched-options.ts'

export interface SwitchedSourceDependencies {
  readonly events: MediaEvents
  readonly processes: SwitchProcesses
  readonly slates: Slates | null
  readonly find: (streamId: string) => Stream | undefined
  /** A loopback port for RTP. @throws CodedError `ports_exhausted` (503) */
  readonly takePort: () => number
  readonly givePort: (port: number) => void
}

/** How long a worker may take to make a lane that is no longer wanted, ms. */
const LANE_WITHIN_MS = 500

/**
 * The source of a switched stream: one of several inputs, each a stream of its own, or the slate. The switch process
 * moves the packets; this class tells the process what there is, and hears what is on air.
 */
export class SwitchedSource implements StreamSource {
  readonly spec: StreamSpec
  readonly #host: SourceHost
  readonly #deps: SwitchedSourceDependencies
  readonly #rtpPort: number
  readonly #lane: SwitchedLane
  readonly #slate: LaneSlate
  readonly #inputs: InputFeeds
  readonly #claims = new InputClaims(
    () => this.#inputs.all,
    () => this.#lane.layers,
  )
  readonly #process: SwitchProcess
  readonly #takes = new PendingTakes()
  readonly #observers = new Set<SwitchObserver>()
  #rules: SwitchRules
  readonly #resume: string | null
  #attachedTo: Lane | null = null
  #states = new Map<string, InputHealthTold>()
  #onAir: OnAir | null = null
  #switches = 0
  #work: Promise<void> = Promise.resolve()
  #closed = false

  /** @throws CodedError `ports_exhausted` (503), and those of {@link setInputs} */
  constructor(
    spec: StreamSpec,
    host: SourceHost,
    options: SwitchedOptions,
    deps: SwitchedSourceDependencies,
  ) {
    refuseInputs(spec.streamId, options.inputs)
    this.spec = spec
    this.#host = host
    this.#deps = deps
    this.#rules = options.rules
    this.#resume = options.resume ?? null
    this.#rtpPort = deps.takePort()
    this.#lane = new SwitchedLane(spec, this.#rtpPort)
    this.#slate = new LaneSlate({
      slates: deps.slates,
      tenantId: spec.tenantId,
      name: spec.streamId,
      made: (messages) => {
        for (const message of messages) this.#process.tell(message)
        this.#showState()
      },
      failed: (error) => deps.events.error('switch', 'slate', error),
    })
    const { find, takePort, givePort } = deps
    this.#inputs = new InputFeeds({
      streamId: spec.streamId,
      find,
      takePort,
      givePort,
      listener: {
        changed: (feed) => {
          if (this.#closed) return
          if (feed.tracks.length > 0) this.#process.start()
          this.#process.tell(feed)
          this.#learnLayout()
        },
        stateChanged: (id) => {
          if (id === this.#onAir?.input) this.#showState()
        },
        captured: (message) => this.#process.tell(message),
        failed: (error) => deps.events.error('switch', 'subscribe', error),
      },
    })
    this.#process = new SwitchProcess(deps.processes, {
      isLive: () => this.#onAir !== null,
      started: (tell) => this.#tellAll(tell),
      heard: (message) => this.#heard(message),
      died: (how) => this.#onDied(how),
      trouble: (kind, what) => deps.events.error('switch', kind, what),
    })
    try {
      this.setInputs(options.inputs)
    } catch (error) {
      void this[Symbol.asyncDispose]()
      throw error
    }
  }

  get media(): SourceMedia | null {
    return this.#lane.alive
  }

  get clock(): LaneClockState {
    return this.#lane.clock
  }

  get pictures(): readonly PictureSize[] {
    return this.#lane.pictures
  }

  get answersKeyframes(): boolean {
    return this.#onAirFeed?.stream?.answersKeyframes ?? false
  }

  get keyframeEveryMs(): number | null {
    return this.#onAirFeed?.stream?.keyframeEveryMs ?? null
  }

  /** Process id of the switch process, for operators and tests. */
  get pid(): number | undefined {
    return this.#process.pid
  }

  get rules(): SwitchRules {
    return this.#rules
  }

  hasInput(id: string): boolean {
    return this.#inputs.get(id) !== undefined
  }

  get status(): SwitchStatus {
    return {
      on_air: this.#onAir && (this.#onAir.input ?? SLATE),
      since_unix_ms: this.#onAir?.at_unix_ms ?? null,
      audio: this.#onAir?.audio ?? null,
      preview: this.#claims.preview,
      switches: this.#switches,
      merged: this.#claims.merged,
      inputs: this.#inputs.all.map((feed) => this.#statusOf(feed)),
    }
  }

  /**
   * Takes these inputs from now on, in the order of preference. What is on air stays, if it is still an input.
   * @throws CodedError `bad_request` (400) for too many, twice the same, or the stream itself; `ports_exhausted` (503)
   */
  setInputs(inputs: readonly InputSpec[]): void {
    this.#inputs.set(inputs, () => this.#tellInputs())
    for (const id of this.#states.keys()) if (!this.#inputs.get(id)) this.#states.delete(id)
    const { preview } = this.#claims
    if (preview !== null && !this.#inputs.get(preview)) this.#claims.preview = null
    this.#claims.apply()
  }

  setRules(rules: SwitchRules): void {
    this.#rules = rules
    this.#process.tell({ type: 'rules', rules })
  }

  /** A stream of the tenant was opened or closed. */
  streamsChanged(streamId: string): void {
    this.#inputs.streamChanged(streamId)
  }

  /**
   * Puts an input on air, from its next keyframe on. Resolves when its first picture has left.
   * @param audio input of the sound; left out, the sound is as the rules say
   * @param atUnixMs not before this time
   * @throws CodedError `input_not_found` (404), `input_not_live`, `keyframe_late`, `take_superseded` (409), `switch_unavailable` (503)
   */
  async take(
    input: string,
    { audio, atUnixMs }: { audio?: string; atUnixMs?: number } = {},
  ): Promise<TakeResult> {
    for (const id of audio === undefined ? [input] : [input, audio]) this.#inputs.known(id)
    const { state, reason } = this.#states.get(input) ?? { state: 'absent' as const }
    // Whether media that has just begun can be shown, the process knows first.
    if (state !== 'healthy' && !(state === 'absent' && this.#inputs.get(input)!.renditions > 0))
      throw new CodedError(
        'input_not_live',
        `${input} is ${state}${reason ? ` (${reason})` : ''}: it can't be on air now`,
      )
    using _ = this.#claims.taking(input)
    const at_ms = atUnixMs === undefined ? null : steadyOf(SYSTEM_CLOCK, atUnixMs) - STEADY_BASE_MS
    return await this.#takes.add({ input, at_ms, ...(audio !== undefined && { audio }) }, (message) =>
      this.#process.tell(message),
    )
  }

  /** Arms an input: its publisher sends all layers, and a take of it waits for one picture. null: none. */
  preview(input: string | null): void {
    if (input !== null) this.#inputs.known(input)
    this.#claims.preview = input
    this.#process.tell({ type: 'preview', input })
  }

  /** Tells an observer what happens from now on. Call the returned function to stop. */
  observe(observer: SwitchObserver): () => void {
    this.#observers.add(observer)
    return () => void this.#observers.delete(observer)
  }

  demanded(demand: LayerDemand): void {
    this.#claims.demand = demand
  }

  workerReplaced(): void {
    if (this.#lane.layers > 0 && !this.#lane.alive) this.#enqueue('lane_rebuild', () => this.#openLane())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#takes[Symbol.dispose]()
    this.#slate[Symbol.dispose]()
    this.#inputs.disconnect()
    await this.#process[Symbol.asyncDispose]()
    this.#inputs[Symbol.dispose]()
    this.#deps.givePort(this.#rtpPort)
    const laneClosed = this.#work.then(() => this.#lane.close())
    // If the worker does not answer, the lane closes once that worker is gone.
    await Promise.race([laneClosed, pause(LANE_WITHIN_MS)])
  }

  get #onAirFeed(): InputFeed | undefined {
    return this.#onAir?.input == null ? undefined : this.#inputs.get(this.#onAir.input)
  }

  #tellInputs(): void {
    for (const message of this.#inputs.messages) this.#process.tell(message)
  }

  /** Everything that a new process must know, in order. */
  #tellAll(tell: (message: HubToSwitch) => void): void {
    const { input: onAir, taken } = this.#onAir ?? { input: null, taken: this.#resume }
    const { streamId: stream_id, streamClass } = this.spec
    tell({
      type: 'start',
      stream_id,
      rtp_port: this.#rtpPort,
      rules: this.#rules,
      merge_within_ms: CLASS_PROFILES[streamClass].ristBuffer.maxMs,
      on_air: onAir,
      taken,
      slate: this.#onAir !== null && onAir === null,
    })
    for (const message of this.#inputs.messages) tell(message)
    for (const message of this.#slate.messages) tell(message)
    this.#attachedTo = null
    this.#attach(tell)
    for (const message of this.#takes.messages) tell(message)
  }

  #heard(message: SwitchToHub): void {
    switch (message.type) {
      case 'cursors':
        return this.#lane.advance(message)
      case 'on_air': {
        const { type, ...onAir } = message
        return this.#onSwitched(onAir)
      }
      case 'input_port_taken':
        this.#deps.events.error('switch', 'input_port_taken', message.message)
        return this.#inputs.move(message.id, () => this.#tellInputs())
      case 'took':
        return this.#takes.took(message)
      case 'take_failed':
        return this.#takes.failed(message)
      case 'inputs':
        return this.#onStates(message.inputs)
      case 'merged':
        this.#claims.merged = message.inputs
        return
      case 'merge_refused':
        return this.#deps.events.mergeRefused(this.spec, message.inputs)
      case 'captured': {
        const { rendition, rtp_timestamp, capture_unix_ms, source } = message
        const layer = rendition === null ? {} : { layer: rendition }
        return this.#host.captured({ ...layer, rtp_timestamp, capture_unix_ms, source })
      }
    }
  }

  #onSwitched(onAir: OnAir): void {
    const { on_air: from } = this.status
    this.#onAir = onAir
    this.#switches += 1
    const { input } = onAir
    if (input === null) {
      void this.#slate.make(this.#lane.slateSizes, onAir.at_unix_ms)
    } else {
      this.#slate.forget()
      this.#learnSizes()
    }
    this.#showState()
    this.#claims.onAir = input
    const event: Switched = { ...onAir, from, to: input ?? SLATE }
    this.#deps.events.switched(this.spec, event)
    for (const observer of this.#observers) observer.switched(event)
  }

  /** Viewers are told how the input on air is doing. */
  #showState(): void {
    const feed = this.#onAirFeed
    const { made: slate } = this.#slate
    if (!feed && slate) this.#host.setState({ state: 'input_lost', slate })
    else if (!feed && flows(this.#host.state)) this.#host.setState({ state: 'input_lost' })
    if (!feed) return
    const { state } = feed.stream ?? {}
    const { layers } = this.#lane
    const reduced = feed.renditions > 0 && feed.renditions < layers
    this.#host.setState({
      ...(state && flows(state) ? state : { state: 'live' }),
      ...(reduced && { reduced: `The sender on air sends ${feed.renditions} of ${layers} picture sizes.` }),
    })
  }

  #onStates(inputs: Extract<SwitchToHub, { type: 'inputs' }>['inputs']): void {
    const before = this.#states
    this.#states = new Map(inputs.map(({ id, ...state }) => [id, state]))
    for (const feed of this.#inputs.all) {
      const status = this.#statusOf(feed)
      if ((before.get(feed.id)?.state ?? 'absent') === status.state) continue
      this.#deps.events.inputState(this.spec, status)
    }
  }

  #statusOf({ id, renditions }: InputFeed): InputStatus {
    return { id, ...(this.#states.get(id) ?? { state: 'absent' }), renditions }
  }

  /** The lane opens with the layers of the first input that has pictures. */
  #learnLayout(): void {
    if (this.#lane.learn(this.#inputs.first?.renditions ?? 0))
      this.#enqueue('lane_open', () => this.#openLane())
    this.#learnSizes()
    this.#claims.apply()
  }

  #learnSizes(): void {
    this.#lane.shows((this.#onAirFeed ?? this.#inputs.first)?.stream?.pictures ?? [])
  }

  async #openLane(): Promise<void> {
    if (this.#closed || this.#lane.alive) return
    const slot = this.#host.home()
    if (!slot) return
    await this.#lane.open(slot)
    this.#attach((message) => this.#process.tell(message))
    this.#host.mediaChanged()
  }

  #attach(tell: (message: HubToSwitch) => void): void {
    const lane = this.#lane.alive
    if (!lane || this.#attachedTo === lane) return
    this.#attachedTo = lane
    tell(this.#lane.attachment(lane))
  }

  #onDied(how: string): void {
    this.#lane.processDied()
    this.#deps.events.switchDied(this.spec, how)
  }

  #enqueue(what: string, work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error) => this.#deps.events.error('switch', what, error))
  }
}
