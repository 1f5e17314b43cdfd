import type { types } from 'mediasoup'
import { sampleOf } from '../common/supervision/thread-sample.ts'

/** A worker, and the slot of the worker and its successors. */
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

/** Weight of the newest sample. At a sample a second, a spike of a second is half forgotten after the next. */
const NEWEST = 0.5

/** How busy media workers are. One thread of a worker forwards: when its core is full, packets wait. */
export class WorkerCpu {
  readonly #samples = new Map<number, Sample>()

  /** Each worker's share of a core at the last sample, 0 to 1, by slot; 0 for a worker that was seen once. */
  loadOf(index: number): number {
    return this.#samples.get(index)?.load ?? 0
  }

  /** The least busy worker's share of a core at the last sample, 0 to 1. New flows go there. */
  get leastBusy(): number {
    const loads = Array.from(this.#samples.values(), ({ load }) => load)
    return loads.length === 0 ? 0 : Math.min(...loads)
  }

  /** Samples the workers that are up, each second or so. The kernel is asked, so a hanging worker holds up nothing. */
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
