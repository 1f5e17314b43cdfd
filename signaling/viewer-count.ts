/** The count is told at most this often, ms. */
const INTERVAL_MS = 1000

/** Tells the number of viewers when it changes, at most once a second: a thousand who join at once are one message. */
export class ViewerCount implements Disposable {
  readonly #tell: (count: number) => void
  #count = 0
  #told = 0
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (count: number) => void) {
    this.#tell = tell
  }

  set(count: number): void {
    this.#count = count
    if (this.#timer === undefined) this.#tellNow()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #tellNow(): void {
    this.#timer = undefined
    if (this.#count === this.#told) return
    this.#told = this.#count
    this.#tell(this.#count)
    this.#timer = setTimeout(() => this.#tellNow(), INTERVAL_MS)
  }
}
