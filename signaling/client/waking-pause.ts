/** A wait between two attempts, which something that happens may end. */
export class WakingPause {
  #end = (): void => {}

  /** Ends the present wait, if there is one. */
  readonly wake = (): void => this.#end()

  /** Resolves after this time, ms, or when woken. */
  async wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#end = resolve
    await promise
    clearTimeout(timer)
    this.#end = () => {}
  }
}
