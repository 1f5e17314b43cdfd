/** A small event emitter. `Events` names its events and values. Listeners run in the order of subscription. */
export class TypedEmitter<Events> {
  readonly #listeners: { [Name in keyof Events]?: Set<(value: Events[Name]) => void> } = {}

  /** Calls `listener` for every `name` from now on. Call the returned function to stop. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const listeners: Set<(value: Events[Name]) => void> = this.#listeners[name] ?? new Set()
    this.#listeners[name] = listeners
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
    }
  }

  protected emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) listener(value)
  }
}
