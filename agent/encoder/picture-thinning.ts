/** Pictures come a little early and late: what is so much before its time is taken still, as a share of a picture's time. */
const EARLY = 0.3
/** After a gap the count begins anew, in pictures. */
const GAP = 4

/**
 * Leaves out pictures of a source that delivers more than are asked for, evenly, before anybody decodes or encodes them.
 * Times stay as they are. Pure.
 */
export class PictureThinning {
  readonly #stepNs: number
  #nextNs: number | null = null

  /** @param fps pictures a second at most */
  constructor(fps: number) {
    this.#stepNs = 1e9 / fps
  }

  /** Whether the picture of this time is one of those that stay. */
  takes(unixNs: bigint): boolean {
    // Microseconds are exact in a number, and enough.
    const ns = Number(unixNs / 1000n) * 1000
    if (this.#nextNs === null || Math.abs(ns - this.#nextNs) > GAP * this.#stepNs) this.#nextNs = ns
    if (ns < this.#nextNs - EARLY * this.#stepNs) return false
    this.#nextNs += this.#stepNs
    return true
  }
}
