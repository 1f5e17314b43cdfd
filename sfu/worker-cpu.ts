import type { types } from 'mediasoup'

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

  /** Looks at the workers that are up. Call it each second or so. */
  async sample(slots: readonly Measured[], nowMs = performance.now()): Promise<void> {
    const present = new Set(slots.map(({ index }) => index))
    for (const index of this.#samples.keys()) if (!present.has(index)) this.#samples.delete(index)
    await Promise.all(
      slots.map(async ({ index, worker }) => {
        // A worker that ends meanwhile has no load.
        const usage = await worker.getResourceUsage().catch(() => null)
        if (!usage) return void this.#samples.delete(index)
        const cpuMs = usage.ru_utime + usage.ru_stime
        const before = this.#samples.get(index)
        const load =
          before?.worker === worker && nowMs > before.at
            ? (1 - NEWEST) * before.load +
              NEWEST * Math.min(1, Math.max(0, (cpuMs - before.cpuMs) / (nowMs - before.at)))
            : 0
        this.#samples.set(index, { worker, cpuMs, at: nowMs, load })
      }),
    )
  }
}
