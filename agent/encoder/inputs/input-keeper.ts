import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { CodedError } from '../../../common/errors.ts'
import { type Backoff, backoffMs, pause } from '../../../common/retry.ts'
import type { PictureSource } from '../encoder-protocol.ts'
import type { PipelineEnd } from '../gstreamer.ts'
import { deviceAppears } from './device-appears.ts'
import { fileStreams } from './file-streams.ts'
import { InputHealth, type InputVerdict } from './input-health.ts'
import { type InputBuffer, InputPipeline, type InputTaker } from './input-pipeline.ts'
import { type FileStreams, inputWords, PICTURES_IN, SOUND_PART } from './input-words.ts'

const AGAIN: Backoff = { initialMs: 200, maxMs: 3000, factor: 2 }
/** Changes of the rate by less than this share are not told. */
const SAME_RATE = 0.15
/** How often a source is judged, ms. */
const LOOK_EVERY_MS = 250
/** A device that is away is looked for at least so often, ms: its folder tells when it comes. */
const LOOK_FOR_DEVICE_MS = 10_000
/** How long a source may take to close, ms. A driver that hangs is left to the kernel, with the whole process. */
const CLOSE_WITHIN_MS = 4000
/** An attempt that lived shorter than this was none, and one that lived longer than the other was healthy, ms. */
const SHORT_LIFE_MS = 300
const HEALTHY_MS = 5000
/** How long the first picture may take, ms: a device, a camera of the network, somebody who calls. */
const FIRST_WITHIN_MS = { words: 3000, v4l2: 4000, file: 4000, rtsp: 8000, srt: 8000 } as const

export type KeptSource = Exclude<PictureSource, { kind: 'test-card' }>

/** Why an attempt at a source is over, and when the source is opened again. */
interface Over {
  readonly reason: string
  readonly again: 'at-once' | 'later' | 'never'
}

export interface InputKeeperOptions {
  readonly source: KeptSource
  /** Pictures a second that are asked for. */
  readonly fps: number
  readonly withSound: boolean
  /** The source was opened: what comes from now on does not follow what came before. */
  readonly opened: () => void
  /** What is thought of the source: at each change, and of `fps` about once a second. */
  readonly judged: (verdict: Omit<InputVerdict, 'reopen'>) => void
  /** The sound that comes with the pictures can't be decoded, and is left out. */
  readonly soundFailed: (reason: string) => void
}

/**
 * Keeps a source open from construction to disposal: a source that is away, ends, stops or delivers nothing of use is
 * opened again, as soon as it is back.
 */
export class InputKeeper implements AsyncDisposable {
  /** What comes of the source; whoever takes it tells {@link health} what became of it. */
  readonly health: InputHealth
  readonly #options: InputKeeperOptions
  readonly #taker: InputTaker
  readonly #stop = new AbortController()
  /** Rejects where the source can't even be closed: only the end of this process closes it. */
  readonly running: Promise<void>
  #input: InputPipeline | null = null
  #reopen = Promise.withResolvers<string>()
  #withSound: boolean
  #streams: FileStreams | null = null
  #told: Omit<InputVerdict, 'reopen'> | null = null

  constructor(options: InputKeeperOptions, taker: InputTaker) {
    const { source, fps, withSound } = options
    this.#options = options
    this.#withSound = withSound
    this.#taker = {
      picture: (buffer: InputBuffer) => {
        this.health.picture(performance.now())
        taker.picture(buffer)
      },
      sound: (buffer) => taker.sound(buffer),
    }
    this.health = new InputHealth({ fps, firstWithinMs: FIRST_WITHIN_MS[source.kind] })
    const { signal } = this.#stop
    this.running = this.#run(signal).catch((thrown: unknown) => {
      if (!signal.aborted) throw thrown
    })
  }

  /** Asks the source itself for an IDR. */
  requestKeyframe(): void {
    this.#input?.requestKeyframe(PICTURES_IN)
  }

  /** What came is of no use. The source is opened again. */
  reopen(reason: string): void {
    this.#reopen.resolve(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.running
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; ; ) {
      const openedAt = performance.now()
      const { reason, again } = await this.#once(failures, signal)
      signal.throwIfAborted()
      const livedMs = performance.now() - openedAt
      // What ends as soon as it begins is tried slowly, whatever it is.
      if (again === 'at-once' && livedMs > SHORT_LIFE_MS) continue
      this.#streams = null
      this.#judge({ input: 'no_input', reason: this.#isAway() ?? reason, fps: null })
      if (again === 'never') return
      failures = livedMs > HEALTHY_MS ? 0 : failures + 1
      await this.#comesBack(failures, signal)
    }
  }

  /** Opens the source and holds it until it is over. */
  async #once(failures: number, signal: AbortSignal): Promise<Over> {
    const { source } = this.#options
    const away = this.#isAway()
    if (away !== null) return { reason: away, again: 'later' }
    try {
      const streams = source.kind === 'file' ? await this.#streamsOf(source.path, signal) : null
      const words = inputWords(source, { withSound: this.#withSound, failures, ...(streams && { streams }) })
      this.#options.opened()
      const input = await InputPipeline.open(words, this.#taker)
      this.#input = input
      try {
        return await this.#watch(input, signal)
      } finally {
        this.#input = null
        await Promise.race([input[Symbol.asyncDispose](), hangs()])
      }
    } catch (thrown) {
      if (thrown instanceof CodedError && thrown.code === 'gstreamer_failed')
        return { reason: thrown.message, again: 'later' }
      throw thrown
    }
  }

  /** What is in a file. A file in a loop is looked into once, one that failed again. */
  async #streamsOf(path: string, signal: AbortSignal): Promise<FileStreams> {
    const streams = this.#streams ?? (await fileStreams(path, signal))
    this.#streams = streams
    return streams
  }

  /** Why a capture device can't be opened: it is not plugged in. */
  #isAway(): string | null {
    const { source } = this.#options
    return source.kind === 'v4l2' && !existsSync(source.device) ? `there is no ${source.device}` : null
  }

  async #watch(input: InputPipeline, signal: AbortSignal): Promise<Over> {
    this.health.opened(performance.now())
    this.#reopen = Promise.withResolvers<string>()
    const looking = setInterval(() => {
      const { reopen, ...verdict } = this.health.look(performance.now())
      this.#judge(verdict)
      if (reopen) this.reopen(verdict.reason ?? '')
    }, LOOK_EVERY_MS)
    const stopped = new Promise<null>((resolve) => signal.addEventListener('abort', () => resolve(null)))
    try {
      const over = await Promise.race([input.ended, this.#reopen.promise, stopped])
      if (over === null || typeof over === 'string') return { reason: over ?? '', again: 'later' }
      return this.#ended(over)
    } finally {
      clearInterval(looking)
    }
  }

  #ended({ reason, failed }: PipelineEnd): Over {
    const { source } = this.#options
    if (failed === null && source.kind === 'file') return { reason, again: source.loop ? 'at-once' : 'never' }
    if (!failed?.includes(SOUND_PART)) return { reason, again: 'later' }
    // Pictures go on without the sound.
    this.#withSound = false
    this.#options.soundFailed(reason)
    return { reason, again: 'at-once' }
  }

  /** Waits until it is worth while to open the source again. */
  async #comesBack(failures: number, signal: AbortSignal): Promise<void> {
    const { source } = this.#options
    if (source.kind === 'v4l2' && this.#isAway() !== null) {
      const enough = AbortSignal.any([signal, AbortSignal.timeout(LOOK_FOR_DEVICE_MS)])
      await deviceAppears(source.device, enough).catch(() => {})
      return signal.throwIfAborted()
    }
    await pause(backoffMs(AGAIN, Math.max(0, failures - 1)), signal)
  }

  #judge(verdict: Omit<InputVerdict, 'reopen'>): void {
    const before = this.#told
    if (before?.input === verdict.input && before.reason === verdict.reason && near(before.fps, verdict.fps))
      return
    this.#told = verdict
    this.#options.judged(verdict)
  }
}

/** Whether a rate is worth no new word. */
function near(before: number | null, now: number | null): boolean {
  if (now === null) return true
  return before !== null && Math.abs(now - before) <= SAME_RATE * before
}

async function hangs(): Promise<never> {
  await delay(CLOSE_WITHIN_MS, undefined, { ref: false })
  throw new Error('the source does not close')
}
