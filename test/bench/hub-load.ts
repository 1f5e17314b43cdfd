import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { resolve } from 'node:path'
import { type LoadOrder, type LoadResult, loadResultSchema } from './hub-load-protocol.ts'

const MAIN = resolve(import.meta.dirname, 'hub-load-main.ts')
/** Processes with media on the same core go first. */
const NICENESS = 10

/** The process that loads the hub as ordered. */
export class HubLoad implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(MAIN, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    setPriority(this.#child.pid!, NICENESS)
  }

  /** One order at a time. @throws where the hub gave an unexpected answer */
  async run(order: LoadOrder): Promise<LoadResult> {
    this.#child.send(order)
    const [raw] = await once(this.#child, 'message')
    const result = loadResultSchema.parse(raw)
    if (Object.keys(result.others).length > 0)
      throw new Error(`${order.path} was answered with ${JSON.stringify(result.others)}, by status`)
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }
}
