import { monitorEventLoopDelay } from 'node:perf_hooks'
import { WORKER_CPU_CEILING } from '../policy/capacity.ts'
import { type DescriptorCount, runLow } from './descriptors.ts'

/** How full the hub may be before it reports that: below saturation, so that there is time to react. */
export const DEGRADED_AT = {
  /** Share of the most viewer connections. */
  connections: 0.9,
  /** p99 of the event loop's delay, ms. */
  eventLoopMs: 200,
  /** The least busy worker's share of its core. New flows are refused from WORKER_CPU_CEILING on. */
  workerCpu: 0.75,
  /** Share of the RIST ports that are taken. */
  ports: 0.9,
  /** Share of the most writes that may wait for the store. */
  storeQueue: 0.5,
} as const

export interface HealthFacts {
  /** Whether the hub takes nothing new. */
  readonly draining: () => boolean
  /** Number of workers that are up and answer. */
  readonly workersUp: () => number
  readonly workersWanted: number
  /** The least busy worker's share of its core, 0 to 1. */
  readonly workerCpu: () => number
  readonly connections: () => number
  readonly maxConnections: number
  /** File descriptors. */
  readonly descriptors: () => DescriptorCount
  /** RIST ports, one per link of each stream: the number for contracts, and how many are taken. */
  readonly ports: () => { readonly taken: number; readonly count: number }
  /** Streams one of whose ports another program has. */
  readonly portsUnavailable: () => number
  /** Number of writes that wait for their transaction, and the most that may. */
  readonly storeQueue: { readonly waiting: number; readonly capacity: number }
  /** Why the store takes no writes, in words; null while it does. */
  readonly storeFailure: () => string | null
}

export interface Readiness {
  readonly ready: boolean
  /** What keeps the hub from being ready, in words; empty when it is ready. */
  readonly degraded: readonly string[]
}

/** Readiness: headroom of workers, connections and event loop. */
export class Health implements Disposable {
  readonly #facts: HealthFacts
  readonly #delay = monitorEventLoopDelay({ resolution: 20 })
  readonly #window: NodeJS.Timeout
  #lagMs = 0

  constructor(facts: HealthFacts) {
    this.#facts = facts
    this.#delay.enable()
    this.#window = setInterval(() => {
      this.#lagMs = this.#delay.percentile(99) / 1e6
      this.#delay.reset()
    }, 2000).unref()
  }

  readiness(): Readiness {
    const { draining, workersUp, workersWanted, workerCpu, connections, maxConnections, ports, storeQueue } =
      this.#facts
    const degraded: string[] = []
    if (draining()) degraded.push('draining: nothing new is taken')
    if (workersUp() < workersWanted)
      degraded.push(`workers: ${workersUp()} of ${workersWanted} are up and answer`)
    if (workerCpu() >= DEGRADED_AT.workerCpu)
      degraded.push(
        `worker cpu: the least busy is at ${percent(workerCpu())}; from ${percent(WORKER_CPU_CEILING)} on nothing new is taken`,
      )
    const { taken, count } = ports()
    if (taken > 0 && taken >= count * DEGRADED_AT.ports)
      degraded.push(`ports: ${taken} of ${count} for RIST are taken`)
    const unavailable = this.#facts.portsUnavailable()
    if (unavailable > 0)
      degraded.push(`ports: other programs have ports of ${unavailable} streams (alarm port_unavailable)`)
    if (connections() >= maxConnections * DEGRADED_AT.connections)
      degraded.push(`connections: ${connections()} of ${maxConnections} are taken`)
    const { open, limit } = this.#facts.descriptors()
    if (runLow({ open, limit }))
      degraded.push(`descriptors: ${open} of ${limit} are open; raise the limit (ulimit -n, LimitNOFILE)`)
    if (storeQueue.waiting >= storeQueue.capacity * DEGRADED_AT.storeQueue)
      degraded.push(`store: ${storeQueue.waiting} of ${storeQueue.capacity} writes wait`)
    const storeFailure = this.#facts.storeFailure()
    if (storeFailure !== null) degraded.push(`store: writes fail: ${storeFailure}`)
    if (this.#lagMs > DEGRADED_AT.eventLoopMs)
      degraded.push(
        `event loop: p99 delay ${Math.round(this.#lagMs)} ms, should be below ${DEGRADED_AT.eventLoopMs}`,
      )
    return { ready: degraded.length === 0, degraded }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#window)
    this.#delay.disable()
  }
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
