import { CodedError } from '../../common/errors.ts'
import { pause } from '../../common/retry.ts'

/** Most takes of one program that wait for their turn or their time. */
export const MAX_WAITING_TAKES = 32
/** A take with a time begins this much before, ms: an IDR has to be asked for, and to arrive. */
const LEAD_MS = 500

/** The takes of a program, one after the other. */
export class TakesInTurn implements Disposable {
  readonly #now: () => number
  readonly #over = new AbortController()
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  /** @param now time of a steady clock, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Carries out a take when those before it are over. A take with a time in the future waits apart until shortly before
   * that time, so that others go first.
   * @param atMs by the same clock; null: now
   * @throws CodedError `too_many_requests` (429) where too many wait, `gone` (410) where the program ends, and what
   *   `perform` throws
   */
  async take<T>(atMs: number | null, perform: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING_TAKES)
      throw new CodedError('too_many_requests', `${MAX_WAITING_TAKES} takes of the program wait already`, {
        retryAfterSeconds: 1,
      })
    this.#waiting += 1
    try {
      const waitMs = (atMs ?? 0) - this.#now() - LEAD_MS
      if (waitMs > 0) await pause(waitMs, this.#over.signal)
      const before = this.#last
      const taken = before.then(() => {
        this.#over.signal.throwIfAborted()
        return perform()
      })
      this.#last = taken.catch(() => {})
      return await taken
    } catch (error) {
      // `pause` throws an error of its own.
      throw this.#over.signal.aborted ? this.#over.signal.reason : error
    } finally {
      this.#waiting -= 1
    }
  }

  [Symbol.dispose](): void {
    this.#over.abort(new CodedError('gone', 'the program ended meanwhile'))
  }
}
