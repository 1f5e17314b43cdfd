/** Lets changes that have the same key happen one after the other. */
export class ChangesInTurn {
  /** The last change of each key; never rejects. */
  readonly #last = new Map<string, Promise<void>>()

  /** Makes a change when those before it are over, whatever came of them: at once where there are none. */
  run<T>(key: string, change: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key)
    const changed = before ? before.then(change) : change()
    const settled = changed.then(
      () => {},
      () => {},
    )
    this.#last.set(key, settled)
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key)
    })
    return changed
  }
}
