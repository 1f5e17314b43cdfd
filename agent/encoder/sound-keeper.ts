import { CodedError } from '../../common/errors.ts'
import { type Backoff, backoffMs, pause } from '../../common/retry.ts'
import type { PulledBuffer } from './gst-pipeline.ts'
import { type SoundConfig, SoundEncoder } from './sound-encoder.ts'

const AGAIN: Backoff = { initialMs: 300, maxMs: 5000, factor: 2 }
/** A source of sound that lived this long was healthy, ms. */
const HEALTHY_MS = 5000

export interface SoundKeeperOptions {
  readonly config: SoundConfig
  readonly wanted: boolean
  /** One Opus packet. */
  readonly take: (data: Buffer, unixNs: bigint) => void
  /** Why there is no sound now; null once there is. */
  readonly told: (reason: string | null) => void
}

/** Keeps the sound going: a microphone that was pulled is opened again, and pictures notice nothing of it. */
export class SoundKeeper implements AsyncDisposable {
  readonly #options: SoundKeeperOptions
  readonly #stop = new AbortController()
  readonly running: Promise<void>
  #encoder: SoundEncoder | null = null
  #wanted: boolean
  #gainDb: number

  constructor(options: SoundKeeperOptions) {
    this.#options = options
    this.#wanted = options.wanted
    this.#gainDb = options.config.gain_db
    const { signal } = this.#stop
    this.running = this.#run(signal).catch((thrown: unknown) => {
      if (!signal.aborted) throw thrown
    })
  }

  /** Takes raw sound that came with the pictures. */
  push(sound: PulledBuffer): void {
    this.#encoder?.push(sound)
  }

  setGain(db: number): void {
    this.#gainDb = db
    this.#encoder?.setGain(db)
  }

  setWanted(wanted: boolean): void {
    this.#wanted = wanted
    this.#encoder?.setWanted(wanted)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { told } = this.#options
    const stopped = new Promise<null>((resolve) => signal.addEventListener('abort', () => resolve(null)))
    for (let failures = 0; ; failures += 1) {
      const openedAt = performance.now()
      const reason = await this.#once(stopped)
      signal.throwIfAborted()
      told(reason)
      if (performance.now() - openedAt > HEALTHY_MS) failures = 0
      await pause(backoffMs(AGAIN, failures), signal)
    }
  }

  /** @returns why there is no sound any more */
  async #once(stopped: Promise<null>): Promise<string> {
    const { config, take, told } = this.#options
    try {
      await using encoder = await SoundEncoder.open({ ...config, gain_db: this.#gainDb }, this.#wanted, take)
      this.#encoder = encoder
      // It may have been told something else while it opened.
      encoder.setGain(this.#gainDb)
      encoder.setWanted(this.#wanted)
      told(null)
      const end = await Promise.race([encoder.ended, stopped])
      return end?.reason ?? ''
    } catch (thrown) {
      if (thrown instanceof CodedError && thrown.code === 'gstreamer_failed') return thrown.message
      throw thrown
    } finally {
      this.#encoder = null
    }
  }
}
