import { type Backoff, backoffMs } from '../retry.ts'

export interface PaceOptions extends Backoff {
  /** A process that lived this long was healthy: its end is the first failure in a row, ms. */
  readonly healthyMs: number
}

/**
 * How long to wait before an ended process is started again: no wait after the first failure in a row, then the
 * back-off. Pure.
 */
export class RestartPace {
  readonly #options: PaceOptions
  readonly #random: () => number
  #failures = 0

  constructor(options: PaceOptions, random = Math.random) {
    this.#options = options
    this.#random = random
  }

  /** A process ended by its own fault. @param livedMs 0 for a process that could not start. @returns the wait, ms */
  failed(livedMs: number): number {
    this.#failures = livedMs > this.#options.healthyMs ? 1 : this.#failures + 1
    return this.#failures === 1 ? 0 : backoffMs(this.#options, this.#failures - 2, this.#random)
  }
}
