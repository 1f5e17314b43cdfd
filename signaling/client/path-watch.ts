import { Silence } from './silence.ts'

/** Usual time between two looks, ms. */
const EVERY_MS = 100

/** What is watched. The values are those of the moment of the call. */
export interface WatchedPath {
  /** Whether anything must arrive now. */
  readonly expects: boolean
  /** A value that changes with each picture or sound that came; reading it costs nothing. Null where it says nothing. */
  readonly shown: number | null
  /** Bytes that came over the path so far; rejects once that is closed. */
  arrived(): Promise<number>
  /** Nothing has come for a moment. Told once. */
  suspected(): void
  /** Nothing has come for a while. Told again with each look. */
  silent(): void
}

/**
 * Watches that something arrives over a transport. Statistics are read only while no picture and no sound comes,
 * because they cost a page several milliseconds.
 */
export class PathWatch {
  readonly #path: WatchedPath
  readonly #silence = new Silence(performance.now())
  readonly #timer: ReturnType<typeof setInterval>
  #shown: number | null = null
  #suspected = false
  #reading = false
  #closed = false

  /** @param everyMs time between two looks, ms */
  constructor(path: WatchedPath, everyMs: number = EVERY_MS) {
    this.#path = path
    this.#timer = setInterval(() => void this.#look(), everyMs)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    const { expects, shown } = this.#path
    const progressed = shown !== null && shown !== this.#shown
    this.#shown = shown
    if (!expects || progressed) {
      this.#suspected = false
      return this.#silence.reset(performance.now())
    }
    // A statistics report that takes longer than a look is still the present one.
    if (this.#reading) return
    this.#reading = true
    const bytes = await this.#path.arrived().catch(() => null)
    this.#reading = false
    if (this.#closed || bytes === null) return
    const said = this.#silence.add(bytes, performance.now())
    if (said === 'suspected' && !this.#suspected) this.#path.suspected()
    this.#suspected = said !== 'heard'
    if (said === 'silent') this.#path.silent()
  }
}
