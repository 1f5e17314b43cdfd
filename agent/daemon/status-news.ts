import type { BroadcastStatus } from '../../common/wire/node-report.ts'

/** Figures of broadcasts that are on are told this often, ms. */
const EVERY_MS = 1000
/** Changes that come together are told together, ms. */
const SETTLE_MS = 100

export interface StatusNewsOptions {
  readonly status: () => BroadcastStatus[]
  readonly tell: (all: BroadcastStatus[]) => void
}

/** Tells how the broadcasts go: at once when a state changes, and once a second while something is on. */
export class StatusNews implements Disposable {
  readonly #options: StatusNewsOptions
  readonly #timer: NodeJS.Timeout
  #soon: NodeJS.Timeout | null = null
  #closed = false

  constructor(options: StatusNewsOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#round(), EVERY_MS)
  }

  /** The state of a broadcast is another one. */
  changed(): void {
    if (this.#closed) return
    this.#soon ??= setTimeout(() => {
      this.#soon = null
      this.#options.tell(this.#options.status())
    }, SETTLE_MS)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearInterval(this.#timer)
    if (this.#soon) clearTimeout(this.#soon)
  }

  #round(): void {
    const all = this.#options.status()
    if (all.some(({ state }) => state !== 'off')) this.#options.tell(all)
  }
}
