import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How full the hub may be before it asks to be spared: below saturation, so that there is time to react. */
const CONNECTIONS_DEGRADED_AT = 0.9
const EVENT_LOOP_DEGRADED_MS = 200

export interface HealthFacts {
  readonly workersUp: () => number
  readonly workersWanted: number
  readonly connections: () => number
  readonly maxConnections: number
  /** Writes that wait for their transaction, and how many may. */
  readonly storeQueue: { readonly waiting: number; readonly capacity: number }
}

export interface Readiness {
  readonly ready: boolean
  /** What keeps the hub from being ready, in words; empty when it is. */
  readonly degraded: readonly string[]
}

/** Readiness: worker, connection and event-loop headroom. */
export class Health implements Disposable {
  readonly #facts: HealthFacts
  readonly #delay = monitorEventLoopDelay({ resolution: 20 })
  readonly #window: NodeJS.Timeout
  #lagMs = 0
  #draining = false

  constructor(facts: HealthFacts) {
    this.#facts = facts
    this.#delay.enable()
    this.#window = setInterval(() => {
      this.#lagMs = this.#delay.percentile(99) / 1e6
      this.#delay.reset()
    }, 2000).unref()
  }

  /** From now on not ready: the hub is going away. */
  drain(): void {
    this.#draining = true
  }

  readiness(): Readiness {
    const { workersUp, workersWanted, connections, maxConnections, storeQueue } = this.#facts
    const degraded: string[] = []
    if (this.#draining) degraded.push('draining: the hub is stopping')
    if (workersUp() < workersWanted) degraded.push(`workers: ${workersUp()} of ${workersWanted} are up`)
    if (connections() >= maxConnections * CONNECTIONS_DEGRADED_AT)
      degraded.push(`connections: ${connections()} of ${maxConnections} are taken`)
    if (storeQueue.waiting >= storeQueue.capacity / 2)
      degraded.push(`store: ${storeQueue.waiting} of ${storeQueue.capacity} writes wait`)
    if (this.#lagMs > EVENT_LOOP_DEGRADED_MS)
      degraded.push(
        `event loop: p99 delay ${Math.round(this.#lagMs)} ms, should be below ${EVENT_LOOP_DEGRADED_MS}`,
      )
    return { ready: degraded.length === 0, degraded }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#window)
    this.#delay.disable()
  }
}
