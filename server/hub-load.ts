import type { IngressStats } from '../common/wire/ingress-ipc.ts'
import type { StreamName } from '../sfu/media-events.ts'
import type { StreamRegistry } from '../sfu/stream-registry.ts'
import type { WorkerCpu } from '../sfu/worker-cpu.ts'
import type { WorkerPool } from '../sfu/worker-pool.ts'
import type { NodeLoads } from './topology/node-loads.ts'

const MEASURE_EVERY_MS = 1000

export interface HubLoadOptions {
  readonly cpu: WorkerCpu
  readonly hubId: string
  readonly workers: Pick<WorkerPool, 'slots'>
  readonly streams: Pick<StreamRegistry, 'list'>
  readonly loads: Pick<NodeLoads, 'measured'>
}

/** Measures each second how full this hub itself is: the worker that what is new goes to, its viewers, and what it sends them. */
export class HubLoad implements Disposable {
  readonly #options: HubLoadOptions
  /** What arrives of each stream, kb/s. */
  readonly #inputKbps = new WeakMap<StreamName, number>()
  readonly #timer: NodeJS.Timeout

  constructor(options: HubLoadOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#measure(), MEASURE_EVERY_MS).unref()
  }

  /** The least busy worker's share of a core, 0 to 1. */
  get workerCpu(): number {
    return this.#options.cpu.leastBusy
  }

  /** A stream's input of the last second. Of several renditions a viewer gets one. */
  inputStats(stream: StreamName, { video, audio_kbps }: IngressStats): void {
    this.#inputKbps.set(stream, Math.max(0, ...video.map(({ kbps }) => kbps)) + audio_kbps)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
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
