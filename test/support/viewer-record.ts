import type { Page } from 'playwright-core'
import { takeShown, watchShown } from './shown-pictures.ts'
import { until } from './until.ts'

/** So many pictures after a step are the sign that all is well again. */
const MOVING = 15
/** Longest wait for them, ms. */
const AGAIN_WITHIN_MS = 40_000

/** What a viewer saw while something was done. */
export interface SeenStep {
  readonly step: string
  /** From the step's begin until pictures moved after its end, ms. */
  readonly ms: number
  readonly pictures: number
  /** Longest time without a new picture, ms. */
  readonly frozenMs: number
}

/** A viewer's page, and what it showed step by step, without a gap between the steps. */
export class ViewerRecord {
  readonly steps: SeenStep[] = []
  readonly #page: Page
  /** The last picture before the step, Unix ms. */
  #last: number

  private constructor(page: Page, from: number) {
    this.#page = page
    this.#last = from
  }

  /** @param page one that shows live pictures */
  static async begin(page: Page): Promise<ViewerRecord> {
    await watchShown(page)
    return new ViewerRecord(page, Date.now())
  }

  /** Does something, and waits until pictures move after it. @throws where they do not, or what the step throws */
  async step(step: string, run: () => Promise<void>): Promise<SeenStep> {
    const from = Date.now()
    await run()
    const over = Date.now()
    const times: number[] = []
    const moves = async () => {
      for (const { at } of await takeShown(this.#page)) times.push(at)
      return times.filter((at) => at > over).length >= MOVING
    }
    await until(moves, `pictures move after: ${step}`, AGAIN_WITHIN_MS)
    const gaps = times.map((at, index) => at - (times[index - 1] ?? this.#last))
    this.#last = times.at(-1) ?? this.#last
    const seen = { step, ms: this.#last - from, pictures: times.length, frozenMs: Math.max(...gaps) }
    this.steps.push(seen)
    return seen
  }
}
