import type { types } from 'mediasoup'
import { sampleOf } from '../common/supervision/thread-sample.ts'

/** A worker, and the slot that it and its successors stand in. */
interface Measured {
  readonly index: number
  readonly worker: types.Worker
}

interface Sample {
  readonly worker: types.Worker
  readonly cpuMs: number
  readonly at: number
  /** 0 to 1. */
  readonly load: number
}

/** Weight of the newest sample: at one a second a spike of a second is half forgotten after the next. */
const NEWEST = 0.5

/** How busy media workers are. A worker has one thread that forwards: when its core is full, packets wait. */
export class WorkerCpu {
  readonly #samples = new Map<number, Sample>()

  /** Each worker's share of a core at the last sample, 0 to 1, by slot; 0 for one that was seen once. */
  loadOf(index: number): number {
    return this.#samples.get(index)?.load ?? 0
  }

  /** The least busy worker's share of a core at the last sample, 0 to 1: what is new goes there. */
  get leastBusy(): number {
    const loads = Array.from(this.#samples.values(), ({ load }) => load)
    return loads.length === 0 ? 0 : Math.min(...loads)
  }

  /** Looks at the workers that are up. Call it each second or so. The kernel is asked: a worker that hangs holds up nothing. */
  sample(slots: readonly Measured[], nowMs = performance.now()): void {
    const present = new Set(slots.map(({ index }) => index))
    for (const index of this.#samples.keys()) if (!present.has(index)) this.#samples.delete(index)
    for (const { index, worker } of slots) {
      const usage = sampleOf(worker.pid)
      if (!usage) {
        // A worker that ends meanwhile has no load.
        this.#samples.delete(index)
        continue
      }
      const before = this.#samples.get(index)
      const load =
        before?.worker === worker && nowMs > before.at
          ? (1 - NEWEST) * before.load +
            NEWEST * Math.min(1, Math.max(0, (usage.ranMs - before.cpuMs) / (nowMs - before.at)))
          : 0
      this.#samples.set(index, { worker, cpuMs: usage.ranMs, at: nowMs, load })
    }
  }
}
