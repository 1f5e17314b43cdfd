import { isDeepStrictEqual } from 'node:util'
import type { ErrorCode } from '../../common/error-codes.ts'
import { CodedError } from '../../common/errors.ts'

/** Answers of a program that are remembered, and for how long, ms. */
export const REMEMBERED = { most: 256, ms: 600_000 } as const

/** Refusals that another try does not mend. After all others the same id may try again. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'input_not_found',
  'input_not_live',
  'take_superseded',
])

interface Remembered<T> {
  readonly question: unknown
  readonly answer: Promise<T>
  /** When it may be forgotten, by a steady clock; null while it is under way. */
  until: number | null
}

/**
 * Answers by the id of their request, so that a request that comes again, or twice at once, is carried out once. Kept in
 * memory: after a restart of the hub a take that comes again cuts to what is on air already.
 */
export class RememberedTakes<T> {
  /** The oldest first. */
  readonly #answers = new Map<string, Remembered<T>>()
  readonly #now: () => number

  /** @param now time of a steady clock, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * The answer to a request.
   * @param id unique for the asker and the request
   * @throws CodedError `request_reused` (409) where the id had another question, and what `make` throws
   */
  answer(id: string, question: unknown, make: () => Promise<T>): Promise<T> {
    this.#forget()
    const before = this.#answers.get(id)
    if (before && !isDeepStrictEqual(before.question, question))
      throw new CodedError('request_reused', 'the request id was used for another take')
    if (before) return before.answer
    const remembered: Remembered<T> = { question, answer: make(), until: null }
    this.#answers.set(id, remembered)
    const settle = (keep: boolean) => {
      remembered.until = this.#now() + REMEMBERED.ms
      if (!keep) this.#answers.delete(id)
    }
    remembered.answer.then(
      () => settle(true),
      (error) => settle(error instanceof CodedError && FINAL.has(error.code)),
    )
    return remembered.answer
  }

  #forget(): void {
    let tooMany = this.#answers.size + 1 - REMEMBERED.most
    for (const [id, { until }] of this.#answers) {
      // Takes under way are bounded elsewhere (takes-in-turn.ts).
      if (until === null) continue
      if (tooMany <= 0 && until > this.#now()) break
      this.#answers.delete(id)
      tooMany -= 1
    }
  }
}
