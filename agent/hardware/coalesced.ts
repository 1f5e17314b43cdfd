/**
 * Does work soon after it was asked for, once for all that ask meanwhile, and never twice at a time. Who asks while the
 * work runs has it done once more, after the same wait.
 */
export class Coalesced implements AsyncDisposable {
  readonly #work: () => Promise<void>
  readonly #waitMs: number
  #timer: NodeJS.Timeout | null = null
  #again = false
  #closed = false
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null

  /** @param work never rejects @param waitMs from the first that asks to the work */
  constructor(waitMs: number, work: () => Promise<void>) {
    this.#work = work
    this.#waitMs = waitMs
  }

  ask(): void {
    if (this.#closed || this.#timer) return
    if (this.#running) this.#again = true
    else this.#timer = setTimeout(() => void this.now(), this.#waitMs)
  }

  /** Does it at once, or as soon as the work that runs is done. Resolves when it is done, or closed. */
  now(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    if (!this.#running) return this.#run()
    this.#next ??= this.#running.then(() => {
      this.#next = null
      return this.now()
    })
    return this.#next
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#running
  }

  #run(): Promise<void> {
    this.#again = false
    this.#running = this.#work().finally(() => {
      this.#running = null
      if (this.#again) this.ask()
    })
    return this.#running
  }
}
