import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { backoffMs, pause } from '../../common/retry.ts'
import type { Encoder, EncoderDemand } from './encoder.ts'
import {
  type EncoderCommand,
  type EncoderConfig,
  type EncoderReport,
  encoderReportSchema,
} from './encoder-protocol.ts'

const MAIN = resolve(import.meta.dirname, 'encoder-main.ts')
const AGAIN = { initialMs: 250, maxMs: 10_000, factor: 2 }
/** One that ran this long has proved itself: its end is the first failure in a row, ms. */
const PROVED_MS = 10_000
/** Each rendition, the sound and the bus keep a thread waiting; changes of state take another one. */
const THREADS = 10
const STOP_MS = 3000

export interface GstreamerEncoderOptions {
  readonly config: EncoderConfig
  /** Its MPEG-TS, cut anywhere. */
  readonly onData: (chunk: Buffer) => void
  readonly logger: Logger
}

/**
 * Encodes with GStreamer in a process of its own, which is replaced when it ends: the successor goes on with the
 * bitrate and the demand that were asked for last.
 */
export class GstreamerEncoder implements Encoder {
  readonly #options: GstreamerEncoderOptions
  readonly #stop = new AbortController()
  #child: ChildProcess
  #running: Promise<void>
  #targetKbps: number
  #demand: EncoderDemand | null = null

  /**
   * Resolves once it encodes.
   * @throws CodedError `gstreamer_missing` where GStreamer is not installed, `gstreamer_failed` where it doesn't start
   */
  static async start(options: GstreamerEncoderOptions): Promise<GstreamerEncoder> {
    const encoder = new GstreamerEncoder(options)
    const first = await encoder.#firstReport()
    if (first.type === 'running') {
      options.logger.info({ element: first.element, pid: encoder.#child.pid }, 'encoder runs')
      encoder.#running = encoder.#supervise()
      return encoder
    }
    await encoder[Symbol.asyncDispose]()
    throw new CodedError(
      first.type === 'unavailable' ? 'gstreamer_missing' : 'gstreamer_failed',
      first.reason,
    )
  }

  private constructor(options: GstreamerEncoderOptions) {
    this.#options = options
    this.#targetKbps = options.config.target_kbps
    this.#child = this.#spawn()
    this.#running = Promise.resolve()
  }

  setTarget(kbps: number): void {
    this.#targetKbps = kbps
    this.#tell({ type: 'bitrate', target_kbps: kbps })
  }

  requestKeyframe(rendition: number | null): void {
    this.#tell({ type: 'keyframe', rendition })
  }

  setDemand(demand: EncoderDemand): void {
    this.#demand = demand
    this.#tell({ type: 'demand', video: [...demand.video], audio: demand.audio })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await end(this.#child)
    await this.#running
  }

  #tell(command: EncoderCommand): void {
    if (this.#child.connected) this.#child.send(command, () => {})
  }

  #spawn(): ChildProcess {
    const { config, onData, logger } = this.#options
    const child = fork(MAIN, [], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      execArgv: [],
      env: { ...process.env, UV_THREADPOOL_SIZE: String(THREADS) },
    })
    child.on('error', (error) => logger.error({ reason: error.message }, 'encoder process'))
    child.stdout!.on('data', onData)
    child.on('message', (message) => {
      const report = encoderReportSchema.safeParse(message).data
      if (report !== undefined && report.type !== 'running')
        logger.error({ reason: report.reason }, 'encoder failed')
    })
    const demand = this.#demand && { video: [...this.#demand.video], audio: this.#demand.audio }
    child.send({ ...config, target_kbps: this.#targetKbps, ...(demand && { demand }) }, () => {})
    return child
  }

  /** What the process that was started last says first. */
  async #firstReport(): Promise<EncoderReport> {
    const child = this.#child
    const exited = once(child, 'exit').then(([code]): EncoderReport => {
      return { type: 'failed', reason: `the encoder process ended with ${code}` }
    })
    const told = once(child, 'message').then(([message]) => encoderReportSchema.parse(message))
    return Promise.race([told, exited])
  }

  /** Replaces the process whenever it ends. */
  async #supervise(): Promise<void> {
    const { signal } = this.#stop
    for (let failures = 0; ; failures += 1) {
      const startedAt = performance.now()
      await once(this.#child, 'exit')
      if (signal.aborted) return
      if (performance.now() - startedAt > PROVED_MS) failures = 0
      const againMs = backoffMs(AGAIN, failures)
      this.#options.logger.error({ again_ms: Math.round(againMs) }, 'encoder ended')
      await pause(againMs, signal).catch(() => {})
      if (signal.aborted) return
      this.#child = this.#spawn()
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await gone
  clearTimeout(killer)
}
