import type { RestartReason } from '../../common/wire/web-rtc-shapes.ts'

/** How often a sleep of the machine is looked for, ms. */
const TICK_MS = 1_000
/** Timers of a page that is awake are not this late, ms. Browsers run those of hidden pages once a second. */
const SLEPT_MS = 5_000

/** `NetworkInformation` (WICG), in browsers that have it; `type` is missing on most desktops. */
interface NetworkInformation extends EventTarget {
  readonly type?: string
}

/**
 * Tells when the machine's network is probably another one: it is online again, the type of its connection changed, or
 * it has slept.
 */
export class NetworkWatch {
  readonly #changed: (reason: Extract<RestartReason, 'network' | 'woke'>) => void
  readonly #information = informationOf(globalThis.navigator)
  readonly #timer: ReturnType<typeof setInterval>
  #type = this.#information?.type
  #tickedAt = Date.now()

  constructor(changed: (reason: Extract<RestartReason, 'network' | 'woke'>) => void) {
    this.#changed = changed
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    addEventListener('online', this.#online)
    this.#information?.addEventListener('change', this.#typed)
  }

  close(): void {
    clearInterval(this.#timer)
    removeEventListener('online', this.#online)
    this.#information?.removeEventListener('change', this.#typed)
  }

  readonly #online = (): void => this.#changed('network')

  /** Estimates of the speed change all the time, and say nothing. */
  readonly #typed = (): void => {
    const type = this.#information?.type
    if (type === this.#type) return
    this.#type = type
    if (type !== 'none') this.#changed('network')
  }

  /** By the wall clock: `performance.now()` stands still while some machines sleep. */
  #tick(): void {
    const now = Date.now()
    const late = now - this.#tickedAt
    this.#tickedAt = now
    if (late > SLEPT_MS) this.#changed('woke')
  }
}

function informationOf(navigator: Navigator | undefined): NetworkInformation | null {
  const { connection } = (navigator ?? {}) as { connection?: NetworkInformation }
  return connection ?? null
}
