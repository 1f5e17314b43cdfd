import type { StreamName } from '../sfu/media-events.ts'
import type { StreamRegistry } from '../sfu/stream-registry.ts'
import type { WorkerCpu } from '../sfu/worker-cpu.ts'
import type { WorkerPool } from '../sfu/worker-pool.ts'
import type { TenantFacts } from './facts/fact.ts'
import type { Subscription } from './facts/fact-bus.ts'
import type { NodeLoads } from './topology/node-loads.ts'

const MEASURE_EVERY_MS = 1000

export interface HubLoadOptions {
  readonly cpu: WorkerCpu
  readonly hubId: string
  readonly workers: Pick<WorkerPool, 'slots'>
  readonly streams: Pick<StreamRegistry, 'list'>
  readonly loads: Pick<NodeLoads, 'measured'>
  readonly facts: Pick<TenantFacts, 'subscribe'>
}

/** Measures each second how full this hub itself is: the worker for new flows, its viewers, and the bitrate to them. */
export class HubLoad implements Disposable {
  readonly #options: HubLoadOptions
  /** Arriving bitrate of each stream, kb/s. */
  readonly #inputKbps = new WeakMap<StreamName, number>()
  readonly #timer: NodeJS.Timeout
  readonly #inputs: Subscription

  constructor(options: HubLoadOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#measure(), MEASURE_EVERY_MS).unref()
    this.#inputs = options.facts.subscribe({
      name: 'load',
      of: 'all',
      kinds: ['input'],
      capacity: 10_000,
      take: (facts) => {
        // A viewer gets one of several renditions.
        for (const { stream, stats } of facts.map(({ body }) => body))
          this.#inputKbps.set(stream, Math.max(0, ...stats.video.map(({ kbps }) => kbps)) + stats.audio_kbps)
      },
    })
  }

  /** The least busy worker's share of a core, 0 to 1. */
  get workerCpu(): number {
    return this.#options.cpu.leastBusy
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#inputs.end()
  }

  #measure(): void {
    const { hubId, cpu, workers, streams, loads } = this.#options
    cpu.sample(workers.slots)
    let [flows, kbps] = [0, 0]
    for (const { spec, viewers } of streams.list()) {
      flows += viewers
      kbps += viewers * (this.#inputKbps.get(spec) ?? 0)
    }
    loads.measured(null, hubId, { workerCpu: cpu.leastBusy, flows, kbps: Math.round(kbps) })
  }
}
