import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { backoffMs, pause } from '../../common/retry.ts'
import type { EncoderDemand, EncoderState } from './encoder.ts'
import type { EncoderConfig } from './encoder-protocol.ts'
import { GstreamerEncoder } from './gstreamer-encoder.ts'

/** A source that is not there now is mostly back soon: somebody moves a plug. */
const RETRY = { initialMs: 500, maxMs: 5_000, factor: 2 }

/** How a kept encoder goes. `failed`: it does not start; that is tried again. */
export interface KeptState extends Omit<EncoderState, 'input'> {
  readonly input: EncoderState['input'] | 'failed'
}

export interface KeptEncoderOptions {
  readonly config: EncoderConfig
  /** MPEG-TS, cut anywhere. */
  readonly onData: (chunk: Buffer) => void
  readonly logger: Logger
  readonly onState: (state: KeptState) => void
}

/** Keeps one encoder from construction to disposal, whatever its source does. It never throws, and waits for nobody. */
export class KeptEncoder implements AsyncDisposable {
  readonly #options: KeptEncoderOptions
  readonly #closing = new AbortController()
  #config: EncoderConfig
  #state: KeptState = { input: 'starting', reason: null, element: null, fps: null, restarts: 0 }
  #encoder: GstreamerEncoder | null = null
  #targetKbps: number | null = null
  #keyframeMs: number | null = null
  #demand: EncoderDemand | null = null
  /** Ends the present encoder, or the wait for the next. */
  #next = new AbortController()
  /** Restarts of the encoders before the present one. */
  #restartsBefore = 0
  readonly #running: Promise<void>

  constructor(options: KeptEncoderOptions) {
    this.#options = options
    this.#config = options.config
    this.#running = this.#run()
  }

  get state(): KeptState {
    return this.#state
  }

  /** Encodes by another configuration from now on. What an encoder can change while it runs does not interrupt it. */
  change(config: EncoderConfig): void {
    const before = this.#config
    this.#config = config
    if (config.sound && config.sound.gain_db !== before.sound?.gain_db)
      this.#encoder?.setGain(config.sound.gain_db ?? 0)
    if (isSameWork(before, config)) return
    this.#tell({ input: 'starting', reason: null, fps: null })
    this.#next.abort()
  }

  /** Replaces the encoder process. */
  restart(): void {
    if (this.#encoder) this.#encoder.restart()
    else this.#next.abort()
  }

  setTarget(kbps: number): void {
    this.#targetKbps = kbps
    this.#encoder?.setTarget(kbps)
  }

  requestKeyframe(rendition: number | null): void {
    this.#encoder?.requestKeyframe(rendition)
  }

  setDemand(demand: EncoderDemand): void {
    this.#demand = demand
    this.#encoder?.setDemand(demand)
  }

  setKeyframeInterval(ms: number): void {
    this.#keyframeMs = ms
    this.#encoder?.setKeyframeInterval(ms)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const closing = this.#closing.signal
    for (let failures = 0; !closing.aborted; ) {
      this.#next = new AbortController()
      const either = AbortSignal.any([closing, this.#next.signal])
      try {
        await using encoder = await this.#start()
        this.#encoder = encoder
        failures = 0
        this.#catchUp(encoder)
        await aborted(either)
        this.#encoder = null
        this.#restartsBefore += encoder.state.restarts
      } catch (error) {
        this.#tell({ input: 'failed', reason: messageOf(error), fps: null })
        await pause(backoffMs(RETRY, failures++), either).catch(() => {})
      }
      if (closing.aborted) return
      this.#restartsBefore += 1
      const { reason } = this.#state
      this.#tell({ input: 'starting', reason, fps: null, restarts: this.#restartsBefore })
    }
  }

  async #start(): Promise<GstreamerEncoder> {
    const { onData, logger } = this.#options
    const config = { ...this.#config, target_kbps: this.#targetKbps ?? this.#config.target_kbps }
    return GstreamerEncoder.start({
      config,
      onData,
      logger,
      onState: (state) => this.#tell({ ...state, restarts: this.#restartsBefore + state.restarts }),
    })
  }

  /** Tells a new encoder what was asked for while it started. */
  #catchUp(encoder: GstreamerEncoder): void {
    if (this.#targetKbps !== null) encoder.setTarget(this.#targetKbps)
    if (this.#keyframeMs !== null) encoder.setKeyframeInterval(this.#keyframeMs)
    if (this.#demand) encoder.setDemand(this.#demand)
  }

  #tell(changes: Partial<KeptState>): void {
    this.#state = { ...this.#state, ...changes }
    this.#options.onState(this.#state)
  }
}

/** Whether an encoder of the one configuration does what the other says, once it is told bitrate, gain and interval. */
function isSameWork(a: EncoderConfig, b: EncoderConfig): boolean {
  const work = ({ sound, keyframe_ms, ...rest }: EncoderConfig) => ({
    ...rest,
    sound: sound && { ...sound, gain_db: 0 },
    target_kbps: 0,
  })
  return isDeepStrictEqual(work(a), work(b))
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
