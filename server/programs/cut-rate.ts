import { CodedError } from '../../common/errors.ts'
import { RequestBudget } from '../../signaling/request-budget.ts'

/** Takes, previews, changes of `auto` and of the lock, of one asker: so many a second, so many at once. */
export const CUT_RATE = { perSecond: 10, burst: 20 } as const
/** Most askers that are counted singly. Further ones share a budget. */
const MAX_ASKERS = 4096
/** A budget that nobody used for this long is full again, ms. */
const FULL_AFTER_MS = (CUT_RATE.burst / CUT_RATE.perSecond) * 1000
const SHARED = ''

/** How often each asker may cut. */
export class CutRate {
  /** The one that was used last comes last. */
  readonly #budgets = new Map<string, { readonly budget: RequestBudget; usedMs: number }>()

  /**
   * @param asker name of the asker, unique over tenants
   * @param nowMs time of a steady clock
   * @throws CodedError `too_many_requests` (429)
   */
  take(asker: string, nowMs: number): void {
    for (const [name, { usedMs }] of this.#budgets) {
      if (nowMs - usedMs < FULL_AFTER_MS) break
      this.#budgets.delete(name)
    }
    const name = this.#budgets.has(asker) || this.#budgets.size < MAX_ASKERS ? asker : SHARED
    const budget =
      this.#budgets.get(name)?.budget ?? new RequestBudget(CUT_RATE.perSecond, CUT_RATE.burst, nowMs)
    this.#budgets.delete(name)
    this.#budgets.set(name, { budget, usedMs: nowMs })
    if (budget.take(nowMs)) return
    throw new CodedError('too_many_requests', `an asker cuts ${CUT_RATE.perSecond} times a second at most`, {
      retryAfterSeconds: 1,
    })
  }
}
