import { resolve } from 'node:path'
import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { Supervisor } from '../../common/supervision/supervisor.ts'
import type { Encoder, EncoderDemand, EncoderState } from './encoder.ts'
import {
  type EncoderCommand,
  type EncoderConfig,
  type EncoderReport,
  encoderReportSchema,
} from './encoder-protocol.ts'

const MAIN = resolve(import.meta.dirname, 'encoder-main.ts')
const PACE = { initialMs: 250, maxMs: 10_000, factor: 2, healthyMs: 10_000 }
/** Ten times a second something leaves the encoder. Its start may make GStreamer look through all of its plugins. */
const SILENCE = { startMs: 30_000, workMs: 3000 }
/**
 * A thread waits at each sink (three of the source, four renditions, the sound) and at the bus of each pipeline (source,
 * pictures, sound, and one that is being closed). Changes of state take more.
 */
const THREADS = 20
const STOP_MS = 3000

export interface GstreamerEncoderOptions {
  readonly config: EncoderConfig
  /** The encoder's MPEG-TS, cut anywhere. */
  readonly onData: (chunk: Buffer) => void
  /** The input came or went, or its process was replaced. */
  readonly onState?: (state: EncoderState) => void
  readonly logger: Logger
}

/**
 * Encodes with GStreamer in a process of its own, which is replaced when it ends or hangs: the successor goes on with the
 * bitrate and the demand that were asked for last.
 */
export class GstreamerEncoder implements Encoder {
  readonly #options: GstreamerEncoderOptions
  readonly #watch = new ChildWatch()
  readonly #first = Promise.withResolvers<void>()
  readonly #supervisor: Supervisor<EncoderCommand, EncoderReport>
  #targetKbps: number
  #keyframeMs: number | undefined
  #gainDb: number
  #demand: EncoderDemand | null = null
  #state: EncoderState = { input: 'starting', reason: null, element: null, fps: null, restarts: 0 }

  /**
   * Resolves once its process takes orders; the camera may be away still.
   * @throws CodedError `gstreamer_missing` where GStreamer lacks what is needed, `gstreamer_failed` where it doesn't start
   */
  static async start(options: GstreamerEncoderOptions): Promise<GstreamerEncoder> {
    const encoder = new GstreamerEncoder(options)
    try {
      await encoder.#first.promise
      return encoder
    } catch (error) {
      await encoder[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(options: GstreamerEncoderOptions) {
    const { config, onData, logger } = options
    this.#options = options
    this.#targetKbps = config.target_kbps
    this.#keyframeMs = config.keyframe_ms
    this.#gainDb = config.sound?.gain_db ?? 0
    this.#supervisor = new Supervisor<EncoderCommand, EncoderReport>({
      name: 'encoder',
      program: () => ({ entry: MAIN, env: { UV_THREADPOOL_SIZE: String(THREADS) }, readsOutput: true }),
      said: encoderReportSchema,
      pace: PACE,
      silence: { ...SILENCE, watch: this.#watch },
      stopWithinMs: STOP_MS,
      started: (child) => {
        child.stdout!.on('data', (chunk: Buffer) => {
          this.#supervisor.spoke()
          onData(chunk)
        })
        child.send(this.#present())
      },
      heard: (report) => this.#heard(report),
      trouble: (_kind, what) => logger.error(what),
      ended: ({ how, againMs }) => {
        logger.error({ how, again_ms: Math.round(againMs) }, 'encoder ended')
        this.#change({ input: 'starting', reason: null, fps: null, restarts: this.#state.restarts + 1 })
        this.#first.reject(new CodedError('gstreamer_failed', `the encoder process ended: ${how}`))
      },
    })
  }

  get state(): EncoderState {
    return this.#state
  }

  setTarget(kbps: number): void {
    this.#targetKbps = kbps
    this.#supervisor.tell({ type: 'bitrate', target_kbps: kbps })
  }

  requestKeyframe(rendition: number | null): void {
    this.#supervisor.tell({ type: 'keyframe', rendition })
  }

  setDemand(demand: EncoderDemand): void {
    this.#demand = demand
    this.#supervisor.tell({ type: 'demand', video: [...demand.video], audio: demand.audio })
  }

  setKeyframeInterval(ms: number): void {
    this.#keyframeMs = ms
    this.#supervisor.tell({ type: 'keyframe-interval', ms })
  }

  setGain(db: number): void {
    this.#gainDb = db
    this.#supervisor.tell({ type: 'gain', db })
  }

  restart(): void {
    this.#supervisor.child?.kill()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]()
    this.#watch[Symbol.dispose]()
  }

  /** The configuration with everything that was asked for since. */
  #present(): EncoderConfig {
    const { config } = this.#options
    return {
      ...config,
      sound: config.sound && { ...config.sound, gain_db: this.#gainDb },
      target_kbps: this.#targetKbps,
      ...(this.#keyframeMs !== undefined && { keyframe_ms: this.#keyframeMs }),
      ...(this.#demand && { demand: { video: [...this.#demand.video], audio: this.#demand.audio } }),
    }
  }

  #change(changes: Partial<EncoderState>): void {
    this.#state = { ...this.#state, ...changes }
    this.#options.onState?.(this.#state)
  }

  #heard(report: EncoderReport): void {
    const { logger } = this.#options
    switch (report.type) {
      case 'ready':
        this.#supervisor.working()
        logger.info({ pid: this.#supervisor.child?.pid }, 'encoder runs')
        return this.#first.resolve()
      case 'state': {
        const { type: _, ...state } = report
        if (state.input !== this.#state.input || state.reason !== this.#state.reason)
          logger[state.input === 'no_input' ? 'warn' : 'info'](state, 'input of the encoder')
        return this.#change(state)
      }
      case 'sound':
        if (report.reason !== null) logger.warn({ reason: report.reason }, 'sound failed')
        return
    }
    logger.error({ reason: report.reason }, 'encoder failed')
    const code = report.type === 'unavailable' ? 'gstreamer_missing' : 'gstreamer_failed'
    this.#first.reject(new CodedError(code, report.reason))
  }
}
