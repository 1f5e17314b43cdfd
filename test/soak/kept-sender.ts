import { programOf } from '../support/processes.ts'

/** A sender's process. */
interface Running extends AsyncDisposable {
  readonly pid: number
}

/** A permanent sender of the soak: it may be killed, and is started again when it is missed. */
export class KeptSender implements AsyncDisposable {
  readonly streamId: string
  readonly #start: () => Promise<Running>
  #running: Running | null = null
  #starting: Promise<void> | null = null

  constructor(streamId: string, start: () => Promise<Running>) {
    this.streamId = streamId
    this.#start = start
  }

  get pid(): number | null {
    return this.#running?.pid ?? null
  }

  /** Starts it where it does not run. @throws where it can't */
  ensure(): Promise<void> {
    this.#starting ??= this.#again().finally(() => {
      this.#starting = null
    })
    return this.#starting
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#starting?.catch(() => {})
    await this.#running?.[Symbol.asyncDispose]()
    this.#running = null
  }

  async #again(): Promise<void> {
    const running = this.#running
    if (running && programOf(running.pid) !== '') return
    this.#running = null
    await running?.[Symbol.asyncDispose]()
    this.#running = await this.#start()
  }
}
