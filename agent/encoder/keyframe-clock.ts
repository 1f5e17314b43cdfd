/**
 * Says when a rendition's next picture is to be an IDR, so that no more than the interval lies between two. Pure. It goes by
 * the pictures' own times: IDRs that somebody asked for count too. Each encoder has a longest interval of its own, which
 * can't be changed while it runs.
 */
export class KeyframeClock {
  readonly #frameNs: bigint
  readonly #lastNs: (bigint | null)[] = []
  readonly #asked: boolean[] = []
  #intervalNs: bigint | null = null

  constructor(fps: number) {
    this.#frameNs = BigInt(Math.round(1e9 / fps))
  }

  /** From now on at most this long, ms; null leaves it to the encoder. */
  setInterval(ms: number | null): void {
    this.#intervalNs = ms === null ? null : BigInt(Math.round(ms * 1e6))
  }

  /** A picture came out of the encoder. @returns whether to ask for an IDR now, so that the next picture becomes one */
  picture(rendition: number, isKeyframe: boolean, ptsNs: bigint): boolean {
    if (isKeyframe) {
      this.#lastNs[rendition] = ptsNs
      this.#asked[rendition] = false
      return false
    }
    const last = this.#lastNs[rendition] ?? null
    if (this.#intervalNs === null || last === null || this.#asked[rendition]) return false
    if (ptsNs + this.#frameNs < last + this.#intervalNs) return false
    this.#asked[rendition] = true
    return true
  }
}
