import { once } from 'node:events'
import type { types } from 'mediasoup'
import { CodedError, messageOf } from '../common/errors.ts'
import { pause } from '../common/retry.ts'
import { ChildWatch, type WatchedChild } from '../common/supervision/child-watch.ts'
import { RestartPace } from '../common/supervision/restart-pace.ts'
import { ConsumerCensus } from './consumer-census.ts'
import type { MediaEvents } from './media-events.ts'
import { startMediaWorker } from './media-worker.ts'
import { ROUTER_CODECS } from './router-codecs.ts'

export interface WorkerPoolOptions {
  /** How many mediasoup workers; one per core is right. */
  readonly count: number
  /** Where viewers' ICE arrives: worker `n` listens on `basePort + n`, UDP and TCP. 0 takes any free port. */
  readonly webRtc: {
    readonly ip: string
    /** The address that others are told now; it may change while workers run. */
    readonly announced: () => string
    readonly basePort: number
  }
  /** Whether packets may leave many at a time, where set-up proved that. */
  readonly batchedSends: boolean
  readonly events: MediaEvents
}

/** A place for one worker. When the worker dies, the worker, its router and its WebRtcServer are replaced together. */
export interface WorkerSlot {
  readonly index: number
  readonly worker: types.Worker
  readonly router: types.Router
  readonly webRtcServer: types.WebRtcServer
  /** The address of the WebRtcServer that others are told. */
  readonly announced: () => string
  /** Counts the slot's workers: what was made under another generation is dead. */
  readonly generation: number
}

const PACE = { initialMs: 50, maxMs: 5000, factor: 2, healthyMs: 30_000 }
/** A worker that answers nothing for this long by its own fault hangs, and is killed: it can't be asked to end. */
const HANG_AFTER_MS = 3000
const ASK_EVERY_MS = 500
/** A new worker sends its first message within some 20 ms. */
const START_WITHIN_MS = 5000
/** A worker that is silent for this long gets nothing new while others answer. */
const DOUBTFUL_AFTER_MS = 1000
/** A worker that is asked to end does so within a few ms, unless it hangs. */
const CLOSE_WITHIN_MS = 1000

/**
 * One mediasoup worker per core, each with one router and one shared WebRtcServer port. A worker that dies or hangs is
 * replaced on the same port. The pool owns all workers and closes them.
 */
export class WorkerPool implements AsyncDisposable {
  /** Who consumes what, on all workers. */
  readonly census = new ConsumerCensus()
  readonly #options: WorkerPoolOptions
  readonly #slots: (WorkerSlot | null)[]
  readonly #paces: readonly RestartPace[]
  readonly #watch = new ChildWatch()
  readonly #watched = new WeakMap<types.Worker, WatchedChild>()
  readonly #restarting = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  readonly #replaced = new Set<(slot: WorkerSlot) => void>()
  /** Kept because mediasoup copies them at each reading, and each viewer gets them. */
  #rtpCapabilities: types.RtpCapabilities | null = null

  private constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#slots = new Array(options.count).fill(null)
    this.#paces = this.#slots.map(() => new RestartPace(PACE))
  }

  /** Starts all workers. If one can't start, the others are closed and the error is thrown. */
  static async open(options: WorkerPoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options)
    // Waits for all of them, so that none comes up after the others have been closed.
    const started = await Promise.allSettled(pool.#slots.map((_, index) => pool.#start(index, 0)))
    const failed = started.find((result) => result.status === 'rejected')
    if (!failed) return pool
    await pool[Symbol.asyncDispose]()
    throw failed.reason
  }

  /** The intended number of workers. */
  get size(): number {
    return this.#slots.length
  }

  /** The slots whose workers are up. */
  get slots(): readonly WorkerSlot[] {
    return this.#taken.filter(({ worker }) => !worker.closed)
  }

  get #taken(): readonly WorkerSlot[] {
    return this.#slots.filter((slot) => slot !== null)
  }

  /** The slots whose workers are up and answer: new flows go to one of these, if there are any. */
  get answering(): readonly WorkerSlot[] {
    return this.slots.filter(({ worker }) => (this.#watched.get(worker)?.silentMs ?? 0) < DOUBTFUL_AFTER_MS)
  }

  /** What every router can forward; all routers are alike. @throws CodedError `no_worker` (503) before any was up */
  get rtpCapabilities(): types.RtpCapabilities {
    this.#rtpCapabilities ??= this.slots[0]?.router.rtpCapabilities ?? null
    if (this.#rtpCapabilities) return this.#rtpCapabilities
    throw new CodedError('no_worker', 'no media worker is up')
  }

  /**
   * Calls `listener` when a dead worker's successor is up: everything on the slot is gone and must be rebuilt.
   * @returns a function that ends this
   */
  onReplaced(listener: (slot: WorkerSlot) => void): () => void {
    this.#replaced.add(listener)
    return () => this.#replaced.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    const workers = this.#taken.map((slot) => slot.worker).filter((worker) => !worker.subprocessClosed)
    const gone = workers.map((worker) => once(worker, 'subprocessclose'))
    for (const worker of workers) worker.close()
    const killer = setTimeout(() => {
      for (const worker of workers) if (!worker.subprocessClosed) kill(worker.pid)
    }, CLOSE_WITHIN_MS)
    await Promise.allSettled([...gone, ...this.#restarting])
    clearTimeout(killer)
    this.#watch[Symbol.dispose]()
  }

  async #start(index: number, generation: number): Promise<WorkerSlot> {
    const { webRtc } = this.#options
    const worker = await this.#startWorker()
    this.#watchOver(index, worker)
    const startedAt = performance.now()
    try {
      const listen = {
        ip: webRtc.ip,
        ...(webRtc.announced() === webRtc.ip ? {} : { announcedAddress: webRtc.announced() }),
        ...(webRtc.basePort === 0 ? {} : { port: webRtc.basePort + index }),
      }
      const [webRtcServer, router] = await Promise.all([
        worker.createWebRtcServer({
          listenInfos: [
            { protocol: 'udp', ...listen },
            { protocol: 'tcp', ...listen },
          ],
        }),
        worker.createRouter({ mediaCodecs: ROUTER_CODECS }),
      ])
      if (worker.closed) throw new Error(`worker ${worker.pid} ended while it was set up`)
      const slot = { index, worker, router, webRtcServer, announced: webRtc.announced, generation }
      this.#slots[index] = slot
      // Set only now: if the worker dies earlier, the caller starts another.
      worker.once('died', () => this.#replace(index, generation, worker.pid, startedAt))
      return slot
    } catch (error) {
      worker.close()
      throw portTaken(error, webRtc.ip, webRtc.basePort + index) ?? error
    }
  }

  /** Starts a worker. A worker that sends no first message is replaced once. */
  async #startWorker(): Promise<types.Worker> {
    const { batchedSends } = this.#options
    const start = () => startMediaWorker(this.#watch, batchedSends, START_WITHIN_MS, this.#closing.signal)
    try {
      return await start()
    } catch (error) {
      if (!(error instanceof CodedError && error.code === 'worker_silent')) throw error
      this.#options.events.error('sfu', 'worker_start', error)
      return start()
    }
  }

  /** Asks the worker again and again whether it answers, until it closes, and ends it when it hangs. */
  #watchOver(index: number, worker: types.Worker): void {
    const { events } = this.#options
    let told = false
    const watched = this.#watch.watch(worker.pid, HANG_AFTER_MS, () => {
      if (!told)
        events.error('sfu', 'worker_hangs', `media worker ${index} (pid ${worker.pid}) hangs: ending it`)
      told = true
      kill(worker.pid)
    })
    this.#watched.set(worker, watched)
    // The worker handles its requests in order: when it is busy, what it makes is heard before its answer to us.
    this.census.watch(worker, () => watched.spoke())
    let asking = false
    const timer = setInterval(() => {
      if (asking) return
      asking = true
      worker
        .getResourceUsage()
        .then(() => watched.spoke())
        .catch(() => {})
        .finally(() => {
          asking = false
        })
    }, ASK_EVERY_MS).unref()
    worker.observer.once('close', () => {
      clearInterval(timer)
      watched[Symbol.dispose]()
    })
  }

  #replace(index: number, generation: number, pid: number, startedAt: number): void {
    this.#slots[index] = null
    const diedAt = performance.now()
    this.#options.events.workerDied(index, pid)
    const restart = this.#restart(index, generation + 1, startedAt, diedAt)
      .catch((error) => this.#options.events.error('sfu', 'worker_restart', error))
      .finally(() => this.#restarting.delete(restart))
    this.#restarting.add(restart)
  }

  async #restart(index: number, generation: number, startedAt: number, diedAt: number): Promise<void> {
    const { signal } = this.#closing
    for (let livedMs = diedAt - startedAt; !signal.aborted; livedMs = 0) {
      await pause(this.#paces[index]!.failed(livedMs), signal).catch(() => {})
      if (signal.aborted) return
      const slot = await this.#start(index, generation).catch((error) => {
        if (!signal.aborted) this.#options.events.error('sfu', 'worker_start', messageOf(error))
        return null
      })
      if (!slot) continue
      if (signal.aborted) return slot.worker.close()
      this.#options.events.workerBack(index, performance.now() - diedAt)
      // The worker is up, whatever the listeners do.
      for (const listener of this.#replaced) listener(slot)
      return
    }
  }
}

/** Ends a process that may be stopped or deaf, if it still exists. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

/** The error for a port in use, for the person who starts the hub; undefined for any other failure. */
function portTaken(error: unknown, ip: string, port: number): CodedError | undefined {
  if (!messageOf(error).includes('address already in use')) return undefined
  return new CodedError('cannot_listen', `can't listen on ${ip}:${port} for media (UDP and TCP)`, {
    details: [
      'another program has that port, perhaps another hub: stop it, or choose others by RTC_PORT (--rtc-port), one per worker',
    ],
    cause: error,
  })
}
