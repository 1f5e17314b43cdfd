/** Pictures are counted over this time, ms. */
const COUNTED_MS = 3000
/** Fewer than this share of the pictures asked for is no moving picture. Cameras in the dark deliver a quarter. */
const FEW = 1 / 6
/** What comes back to this share is live again. */
const ENOUGH = 1 / 4
/** Silence that is taken for the end, ms: this, and the time of a few pictures. */
const SILENCE_MS = 1500
const PICTURES_OF_SILENCE = 4
/** A source that is silent for so much longer is opened anew. */
const REOPEN_AFTER = 2
/** How long nothing may come out of the decoder or encoder while pictures come in, ms. */
const UNDECODED_MS = 3000

export interface InputVerdict {
  readonly input: 'starting' | 'live' | 'no_input'
  readonly reason: string | null
  /** Pictures a second that came; null before they were counted. */
  readonly fps: number | null
  /** The source is to be closed and opened again. */
  readonly reopen: boolean
}

export interface HealthOptions {
  /** Pictures a second that are asked for. */
  readonly fps: number
  /** How long the first picture of a source may take, ms. */
  readonly firstWithinMs: number
}

/**
 * Judges a source by the pictures that come. Pure: callers give the time, ms of a monotonic clock. A source that delivers a
 * picture a second, or what nobody can decode, is no input, though it is there.
 */
export class InputHealth {
  readonly #options: HealthOptions
  #openedAt = 0
  #arrivals: number[] = []
  #leftAt = 0
  #anyLeft = false
  #undecodedSince: number | null = null
  #input: InputVerdict['input'] = 'starting'
  #reason: string | null = null

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /** The source was opened. What was before says nothing about it. */
  opened(nowMs: number): void {
    this.#openedAt = nowMs
    this.#leftAt = nowMs
    this.#anyLeft = false
    this.#undecodedSince = null
    this.#arrivals = []
  }

  /** A picture came from the source. */
  picture(nowMs: number): void {
    this.#arrivals.push(nowMs)
    this.#undecodedSince ??= nowMs
    const most = this.#options.fps * 2 * (COUNTED_MS / 1000)
    if (this.#arrivals.length > most + 60) this.#arrivals.splice(0, this.#arrivals.length - Math.round(most))
  }

  /** A picture left, encoded or as it came. */
  left(nowMs: number): void {
    this.#leftAt = nowMs
    this.#anyLeft = true
    this.#undecodedSince = null
  }

  /** What comes can't be used yet, through no fault of its own: a decoder waits for an IDR. */
  waits(): void {
    this.#undecodedSince = null
  }

  /** Nothing that comes is encoded now, because nobody wants it. */
  unwanted(): void {
    this.#anyLeft = true
    this.#undecodedSince = null
  }

  look(nowMs: number): InputVerdict {
    const { fps, firstWithinMs } = this.#options
    this.#arrivals = this.#arrivals.filter((at) => nowMs - at <= COUNTED_MS)
    const last = this.#arrivals.at(-1)
    const countedMs = Math.min(COUNTED_MS, nowMs - this.#openedAt)
    const rate = this.#arrivals.length / (countedMs / 1000)
    const silence = SILENCE_MS + (PICTURES_OF_SILENCE * 1000) / fps
    if (last === undefined) {
      const quiet = nowMs - this.#openedAt
      const limit = this.#input === 'live' ? silence : firstWithinMs
      if (quiet < limit) return this.#verdict(this.#input, this.#reason, null, false)
      return this.#verdict('no_input', 'no picture comes from the source', 0, quiet >= limit * REOPEN_AFTER)
    }
    if (nowMs - last > silence)
      return this.#verdict('no_input', 'the source stopped delivering pictures', 0, true)
    if (this.#undecodedSince !== null && nowMs - Math.max(this.#undecodedSince, this.#leftAt) > UNDECODED_MS)
      return this.#verdict('no_input', 'what the source delivers cannot be decoded', rate, true)
    if (!this.#anyLeft) return this.#verdict(this.#input, this.#reason, null, false)
    if (countedMs < COUNTED_MS) return this.#verdict('live', null, null, false)
    const few = this.#input === 'no_input' ? ENOUGH : FEW
    if (rate >= fps * few) return this.#verdict('live', null, rate, false)
    const words = `the source delivers ${rate.toFixed(1)} pictures a second where ${fps} are asked for`
    return this.#verdict('no_input', words, rate, false)
  }

  #verdict(
    input: InputVerdict['input'],
    reason: string | null,
    fps: number | null,
    reopen: boolean,
  ): InputVerdict {
    this.#input = input
    this.#reason = reason
    return { input, reason, fps: fps === null ? null : Math.round(fps * 10) / 10, reopen }
  }
}
