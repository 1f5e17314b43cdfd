/** The window over which a rate is taken, ms. */
const WINDOW_MS = 1000

/** Bytes a second of something that goes on, over the last whole window. */
export class RateMeter {
  #bytes = 0
  #before = 0
  #startedAt = performance.now()

  count(bytes: number): void {
    this.#turn()
    this.#bytes += bytes
  }

  /** kb/s over the last whole second; 0 where nothing was counted in it. */
  get kbps(): number {
    this.#turn()
    return this.#before
  }

  #turn(): void {
    const elapsed = performance.now() - this.#startedAt
    if (elapsed < WINDOW_MS) return
    // After two windows without a look, the last whole one was empty.
    this.#before = elapsed < 2 * WINDOW_MS ? (this.#bytes * 8) / elapsed : 0
    this.#bytes = 0
    this.#startedAt = performance.now()
  }
}
