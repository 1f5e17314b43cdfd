/**
 * Passes calls on, at most one in so many milliseconds: the first at once, those that come meanwhile as one at the end.
 * Whoever watches may ask for IDRs (RFC 4585 section 6.3.1) as often as packets travel.
 */
export class Seldom implements Disposable {
  readonly #act: () => void
  readonly #everyMs: number
  #timer: NodeJS.Timeout | undefined
  #isWanted = false

  constructor(everyMs: number, act: () => void) {
    this.#everyMs = everyMs
    this.#act = act
  }

  call(): void {
    if (this.#timer) {
      this.#isWanted = true
      return
    }
    this.#act()
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (!this.#isWanted) return
      this.#isWanted = false
      this.call()
    }, this.#everyMs).unref()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
