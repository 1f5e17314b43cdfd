import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { types } from 'mediasoup'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { startMediaWorker } from '../../sfu/media-worker.ts'

/** What the worker's shim has counted (tools/setup/worker/shims/batched-sends.c, struct counters). */
export interface SendCounters {
  readonly packets: number
  readonly batches: number
  /** How often a socket's buffer was found full. */
  readonly full: number
  /** Packets that the kernel refused. */
  readonly refused: number
}

/** A worker as the hub starts it, whose batches can be counted. All counters are 0 where it does not batch. */
export class BatchingWorker implements AsyncDisposable {
  readonly worker: types.Worker
  readonly #report: string

  private constructor(worker: types.Worker, report: string) {
    this.worker = worker
    this.#report = report
  }

  /** One at a time: the worker takes the name of its report from this process's environment. */
  static async start(batched: boolean): Promise<BatchingWorker> {
    const report = join(tmpdir(), `lanecast-sends-${randomUUID()}`)
    process.env.LANECAST_BATCHED_SENDS_REPORT = report
    try {
      using watch = new ChildWatch()
      const worker = await startMediaWorker(watch, batched, 10_000, new AbortController().signal)
      return new BatchingWorker(worker, report)
    } finally {
      delete process.env.LANECAST_BATCHED_SENDS_REPORT
    }
  }

  async counters(): Promise<SendCounters> {
    const bytes = await readFile(this.#report).catch(() => Buffer.alloc(32))
    const [packets, batches, full, refused] = new BigUint64Array(new Uint8Array(bytes).buffer)
    return {
      packets: Number(packets),
      batches: Number(batches),
      full: Number(full),
      refused: Number(refused),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.worker, 'subprocessclose')
    this.worker.close()
    await gone
    await rm(this.#report, { force: true })
  }
}
