/** Pictures without a B-slice after which a stream is taken for one without: encoders that use B-slices do so at once. */
const PROOF_UNITS = 8
/** The source's bitrate is taken over this time, ms. */
const COUNTED_MS = 2000
/** A source may exceed the bitrate by this factor before it is encoded anew. */
const TOO_MUCH = 1.15
/** It passes again once it would have fitted in with this share for so long, ms. */
const FITS = 0.85
const FITS_FOR_MS = 10_000

/**
 * What becomes of a unit: `hold`: nobody knows yet whether browsers can show the stream. `pass`: it is sent as it is.
 * `encode`: the picture is encoded anew.
 */
export type PassVerdict = 'hold' | 'pass' | 'encode'

export interface PassOptions {
  readonly mode: 'auto' | 'always' | 'never'
  /** Whether this device could encode the pictures anew. */
  readonly canEncode: boolean
}

/** Decides whether H.264 is sent as the source made it. Pure: callers give the time, ms of a monotonic clock. */
export class PassChoice {
  readonly #options: PassOptions
  #verdict: PassVerdict = 'hold'
  #never: string | null = null
  #clean = 0
  #bytes: { readonly at: number; readonly bytes: number }[] = []
  #fittingSince: number | null = null

  constructor(options: PassOptions) {
    this.#options = options
    if (options.mode === 'never') this.#verdict = 'encode'
  }

  /** Why browsers can't show what the source sends; null while nothing is known against it. */
  get obstacle(): string | null {
    return this.#never
  }

  /** The stream began, or changed. */
  stream(whyNotShown: string | null, neverReorders: boolean): void {
    this.#clean = neverReorders ? PROOF_UNITS : 0
    this.#never = whyNotShown
    this.#bytes = []
    this.#fittingSince = null
    this.#verdict = this.#options.mode === 'never' || whyNotShown !== null ? 'encode' : 'hold'
  }

  /** @param roomKbps what may be sent of this source, kb/s */
  unit(bytes: number, isB: boolean, roomKbps: number, nowMs: number): PassVerdict {
    if (this.#options.mode === 'never') return 'encode'
    if (isB) {
      this.#never = 'it has B-frames'
      this.#verdict = 'encode'
    }
    if (this.#never !== null) return 'encode'
    this.#clean += 1
    if (this.#verdict === 'hold' && this.#clean >= PROOF_UNITS) this.#verdict = 'pass'
    if (this.#verdict !== 'hold' && this.#options.mode === 'auto' && this.#options.canEncode)
      this.#weigh(bytes, roomKbps, nowMs)
    return this.#verdict
  }

  #weigh(bytes: number, roomKbps: number, nowMs: number): void {
    this.#bytes.push({ at: nowMs, bytes })
    while (nowMs - this.#bytes[0]!.at > COUNTED_MS) this.#bytes.shift()
    const overMs = nowMs - this.#bytes[0]!.at
    if (overMs < COUNTED_MS / 2) return
    const kbps = (this.#bytes.reduce((sum, one) => sum + one.bytes, 0) * 8) / overMs
    if (this.#verdict === 'pass') {
      if (kbps > roomKbps * TOO_MUCH) this.#verdict = 'encode'
      this.#fittingSince = null
      return
    }
    if (kbps > roomKbps * FITS) this.#fittingSince = null
    else this.#fittingSince ??= nowMs
    if (this.#fittingSince !== null && nowMs - this.#fittingSince >= FITS_FOR_MS) this.#verdict = 'pass'
  }
}
