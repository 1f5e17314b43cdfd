import { Worker } from 'node:worker_threads'
import { CodedError } from '../../common/errors.ts'
import type { PreparedWrite } from './prepared-write.ts'
import type { FromWriter, ToWriter, WriterSetup } from './sqlite-writer-thread.ts'
import { outcomeUnknown } from './store-errors.ts'
import type { Outcomes } from './write-plan.ts'

interface Asked {
  readonly resolve: (outcomes: Outcomes) => void
  readonly reject: (error: CodedError) => void
}

/**
 * The hub's side of the writer thread. If the thread ends by itself, the batch under way fails, and the next batch
 * starts another thread.
 */
export class SqliteWriterClient implements AsyncDisposable {
  readonly #setup: WriterSetup
  #worker: Worker | undefined
  /** The batch under way. Group commit gives one batch at a time. */
  #asked: Asked | undefined

  constructor(setup: WriterSetup) {
    this.#setup = setup
    this.#worker = this.#start()
  }

  commit(writes: readonly PreparedWrite[]): Promise<Outcomes> {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject }
      this.#worker ??= this.#start()
      this.#send(this.#worker, { type: 'commit', writes })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker
    if (!worker) return
    const gone = new Promise((resolve) => worker.once('exit', resolve))
    this.#send(worker, { type: 'close' })
    await gone
  }

  #send(worker: Worker, message: ToWriter): void {
    worker.postMessage(message)
  }

  #start(): Worker {
    const worker = new Worker(new URL('./sqlite-writer-thread.ts', import.meta.url), {
      name: 'store',
      workerData: this.#setup,
    })
    let cause: unknown
    worker.on('message', (message: FromWriter) => {
      const asked = this.#asked
      this.#asked = undefined
      if (message.type === 'done') asked?.resolve(message.outcomes)
      else asked?.reject(codedError(message))
    })
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
      this.#asked?.reject(outcomeUnknown(cause))
      this.#asked = undefined
    })
    return worker
  }
}

function codedError({ failure, cause }: Extract<FromWriter, { type: 'failed' }>): CodedError {
  const { code, message, status, details } = failure
  return new CodedError(code, message, { status, details, cause: new Error(cause) })
}
