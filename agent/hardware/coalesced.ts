/**
 * Does work soon after it was asked for, once for all that ask meanwhile, and never twice at a time. Who asks while the
 * work runs has it done once more.
 */
export class Coalesced implements AsyncDisposable {
  readonly #work: () => Promise<void>
  readonly #waitMs: number
  #timer: NodeJS.Timeout | null = null
  #again = false
  #closed = false
  #running: Promise<void> | null = null

  /** @param work never rejects @param waitMs from the first that asks to the work */
  constructor(waitMs: number, work: () => Promise<void>) {
    this.#waitMs = waitMs
    this.#work = work
  }

  ask(): void {
    if (this.#closed || this.#timer) return
    if (this.#running) {
      this.#again = true
      return
    }
    this.#timer = setTimeout(() => void this.now(), this.#waitMs)
  }

  /** Does it at once. Resolves when it is done, by this or by the work that already runs and what follows it. */
  async now(): Promise<void> {
    if (this.#closed) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#running) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#run().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#running
  }

  async #run(): Promise<void> {
    do {
      this.#again = false
      await this.#work()
    } while (this.#again && !this.#closed)
  }
}
