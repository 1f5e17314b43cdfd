import { RequestBudget } from '../signaling/request-budget.ts'

const LINES_PER_SECOND = 1
const LINE_BURST = 20

/**
 * Decides which refusals get a log line: of each reason 20 at once, then one a second, so that no flood fills the log.
 * The counter counts all refusals.
 */
export class RejectionLines {
  readonly #reasons = new Map<string, { readonly budget: RequestBudget; untold: number }>()

  /**
   * @param reason of low cardinality
   * @param nowMs of any steady clock
   * @returns what the line says beside the refusal itself; null for no line
   */
  next(reason: string, nowMs: number): { readonly untold?: number } | null {
    const state = this.#reasons.get(reason) ?? {
      budget: new RequestBudget(LINES_PER_SECOND, LINE_BURST, nowMs),
      untold: 0,
    }
    this.#reasons.set(reason, state)
    if (!state.budget.take(nowMs)) {
      state.untold += 1
      return null
    }
    const { untold } = state
    state.untold = 0
    return untold > 0 ? { untold } : {}
  }
}
