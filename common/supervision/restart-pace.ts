import { type Backoff, backoffMs } from '../retry.ts'

export interface PaceOptions extends Backoff {
  /** A process that lived this long was healthy: its end is the first failure in a row, ms. */
  readonly healthyMs: number
}

/**
 * How long to wait before a process that ended is started again: not at all after the first failure in a row, then as the
 * back-off says. Pure.
 */
export class RestartPace {
  readonly #options: PaceOptions
  readonly #random: () => number
  #failures = 0

  constructor(options: PaceOptions, random = Math.random) {
    this.#options = options
    this.#random = random
  }

  /** A process ended by its own fault. @param livedMs 0 for one that could not start. @returns the wait, ms */
  failed(livedMs: number): number {
    this.#failures = livedMs > this.#options.healthyMs ? 1 : this.#failures + 1
    return this.#failures === 1 ? 0 : backoffMs(this.#options, this.#failures - 2, this.#random)
  }
}
