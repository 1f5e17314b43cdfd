const AGAIN_MS = 1000

/** Deletions that the store did not take at once: each is tried again until the store takes it. */
export class LateDeletions implements Disposable {
  readonly #timers = new Set<NodeJS.Timeout>()
  #closed = false

  add(remove: () => Promise<unknown>): void {
    if (this.#closed) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      remove().catch(() => this.add(remove))
    }, AGAIN_MS)
    this.#timers.add(timer)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}
