/** A stamp says nothing about pictures further away than this, in 90 kHz ticks. */
const reach = 10 * 90_000

/** Tells from the sender's latest TEMI stamp when a picture was captured. */
export class CaptureMap {
  #pts32 = 0
  #unixMs = Number.NaN

  /** The picture whose PTS has these low 32 bits was captured at `unixMs`. */
  stamp(pts32: number, unixMs: number): void {
    this.#pts32 = pts32
    this.#unixMs = unixMs
  }

  forget(): void {
    this.#unixMs = Number.NaN
  }

  /** @returns Unix ms, or null when no stamp is near */
  captured(pts: number): number | null {
    if (Number.isNaN(this.#unixMs)) return null
    const distance = ((pts % 2 ** 32) - this.#pts32) | 0
    return Math.abs(distance) <= reach ? this.#unixMs + distance / 90 : null
  }
}
