import { CodedError } from '../../common/errors.ts'
import { storeClosed } from './store-errors.ts'
import type { Outcomes, Refusal, Versions } from './write-plan.ts'

export interface GroupCommitOptions<W> {
  /** Commits a batch in one transaction and returns each write's outcome. Throws when nothing was committed. */
  readonly commit: (batch: readonly W[]) => Promise<Outcomes>
  /** Most writes in one transaction. */
  readonly maxBatch: number
  /** Most writes that wait. One more is refused. */
  readonly maxWaiting: number
}

interface Waiting<W> {
  readonly write: W
  readonly resolve: (versions: Versions) => void
  readonly reject: (error: CodedError) => void
}

/**
 * Puts writes that arrive together into one transaction: those of one turn of the event loop, and those that arrive
 * during the transaction before. There is no timer, so a lone write does not wait.
 */
export class GroupCommit<W> implements AsyncDisposable {
  readonly #options: GroupCommitOptions<W>
  #waiting: Waiting<W>[] = []
  #work: Promise<void> | undefined
  #closed = false

  constructor(options: GroupCommitOptions<W>) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get capacity(): number {
    return this.#options.maxWaiting
  }

  /** @throws CodedError `store_saturated`, `store_closed`, or the write's own failure */
  submit(write: W): Promise<Versions> {
    if (this.#closed) return Promise.reject(storeClosed())
    if (this.#waiting.length >= this.#options.maxWaiting)
      return Promise.reject(
        new CodedError('store_saturated', 'too many writes wait for the database', {
          details: [`${this.#waiting.length} writes wait; try again in a second`],
        }),
      )
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, resolve, reject })
      this.#work ??= this.#run()
    })
  }

  /** Refuses new writes and waits for those under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#work
  }

  async #run(): Promise<void> {
    do {
      // Before each batch: otherwise a database that answers without waiting would leave the event loop no turn.
      await new Promise((resolve) => setImmediate(resolve))
      await this.#commit(this.#waiting.splice(0, this.#options.maxBatch))
    } while (this.#waiting.length > 0)
    this.#work = undefined
  }

  async #commit(batch: readonly Waiting<W>[]): Promise<void> {
    try {
      const outcomes = await this.#options.commit(batch.map(({ write }) => write))
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index]!
        if ('code' in outcome) reject(errorOf(outcome))
        else resolve(outcome)
      }
    } catch (error) {
      const coded = error instanceof CodedError ? error : asFailure(error)
      // The database refused something that one of the writes holds. The other writes must not fail for it.
      if (coded.code === 'store_failed' && batch.length > 1)
        for (const waiting of batch) await this.#commit([waiting])
      else for (const { reject } of batch) reject(coded)
    }
  }
}

function errorOf({ code, message, status, details }: Refusal): CodedError {
  return new CodedError(code, message, { status, details })
}

function asFailure(cause: unknown): CodedError {
  return new CodedError('store_failed', 'the database refused a write', { cause })
}
