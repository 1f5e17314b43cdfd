import { resolve } from 'node:path'
import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { compileCacheEnv } from '../../common/supervision/compile-cache.ts'
import { Supervisor } from '../../common/supervision/supervisor.ts'
import type { DirectAnswer } from '../../common/wire/direct.ts'
import { frameHeader } from '../sender/ts-frames.ts'
import { type DirectCommand, type DirectReport, directReportSchema } from './direct-protocol.ts'

const MAIN = resolve(import.meta.dirname, 'direct-main.ts')
const PACE = { initialMs: 250, maxMs: 10_000, factor: 2, healthyMs: 10_000 }
const SILENCE = { startMs: 10_000, workMs: 3000 }
const STOP_MS = 1000
/** Most viewers at once: a board's uplink to the hub comes first, and the hub serves everybody else. */
export const MAX_DIRECT_VIEWERS = 4
/** An answer waits for the process and for candidates, ms. */
const ANSWER_WITHIN_MS = 4500
/** The process is kept for this long without a viewer, ms. */
const IDLE_MS = 30_000
/** Media that waits for a process that reads nothing, bytes. */
const MAX_WAITING_BYTES = 1024 * 1024

export interface DirectViewersOptions {
  readonly logger: Logger
  /** This machine's clock minus the hub's, ms. */
  readonly aheadMs: () => number
  /** A viewer needs an IDR. */
  readonly keyframe: () => void
  /** Whether anybody watches from here, whenever that changes. */
  readonly watched: (watched: boolean) => void
}

interface Asked extends PromiseWithResolvers<string> {
  readonly offer: string
}

/**
 * The viewers that get a broadcast from this machine itself, in a process of its own that runs while there are any.
 */
export class DirectViewers implements AsyncDisposable {
  readonly #options: DirectViewersOptions
  readonly #watch = new ChildWatch()
  readonly #asked = new Map<string, Asked>()
  readonly #viewers = new Set<string>()
  #supervisor: Supervisor<DirectCommand, DirectReport> | null = null
  #idle: NodeJS.Timeout | undefined

  constructor(options: DirectViewersOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#viewers.size
  }

  /**
   * A viewer's offer, answered with this machine's candidates. An offer of the same viewer replaces its last.
   * @throws CodedError `direct_unavailable`
   */
  async offer(viewer: string, sdp: string): Promise<DirectAnswer> {
    if (!this.#viewers.has(viewer) && this.#viewers.size >= MAX_DIRECT_VIEWERS)
      throw new CodedError('direct_unavailable', `the sender has ${MAX_DIRECT_VIEWERS} viewers already`)
    clearTimeout(this.#idle)
    const asked: Asked = { ...Promise.withResolvers<string>(), offer: sdp }
    this.#asked.get(viewer)?.reject(new CodedError('direct_unavailable', 'the viewer offered again'))
    this.#asked.set(viewer, asked)
    this.#add(viewer)
    const late = setTimeout(
      () => asked.reject(new CodedError('direct_unavailable', 'the sender did not answer in time')),
      ANSWER_WITHIN_MS,
    )
    if (this.#supervisor) this.#supervisor.tell({ type: 'offer', viewer, sdp })
    else this.#supervisor = this.#start()
    try {
      return { sdp: await asked.promise, ahead_ms: this.#options.aheadMs() }
    } catch (thrown) {
      if (this.#asked.get(viewer) === asked) this.leave(viewer)
      throw thrown
    } finally {
      clearTimeout(late)
      if (this.#asked.get(viewer) === asked) this.#asked.delete(viewer)
    }
  }

  leave(viewer: string): void {
    this.#supervisor?.tell({ type: 'leave', viewer })
    this.#remove(viewer)
  }

  /** Nobody watches from here any more. Whoever may, offers again. */
  leaveAll(): void {
    for (const viewer of [...this.#viewers]) this.leave(viewer)
  }

  /** Takes whole TS packets that belong together. The buffer may not change afterwards. */
  write(ts: Buffer): void {
    const input = this.#viewers.size > 0 ? this.#supervisor?.child?.stdin : null
    if (!input?.writable || input.writableLength > MAX_WAITING_BYTES) return
    input.cork()
    input.write(frameHeader(ts.length))
    input.write(ts)
    input.uncork()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#idle)
    for (const { reject } of this.#asked.values())
      reject(new CodedError('direct_unavailable', 'the broadcast is over'))
    const supervisor = this.#supervisor
    this.#supervisor = null
    await supervisor?.[Symbol.asyncDispose]()
    this.#watch[Symbol.dispose]()
  }

  #start(): Supervisor<DirectCommand, DirectReport> {
    const { logger } = this.#options
    return new Supervisor<DirectCommand, DirectReport>({
      name: 'direct',
      program: () => ({ entry: MAIN, env: compileCacheEnv, takesInput: true }),
      said: directReportSchema,
      pace: PACE,
      silence: { ...SILENCE, watch: this.#watch },
      stopWithinMs: STOP_MS,
      started: (child) => {
        // Viewers of a process that ended come back by the hub, and offer again.
        for (const viewer of this.#viewers) if (!this.#asked.has(viewer)) this.#remove(viewer)
        for (const [viewer, { offer }] of this.#asked) child.send({ type: 'offer', viewer, sdp: offer })
      },
      heard: (report) => this.#heard(report),
      trouble: (_kind, what) => logger.error(what),
      ended: ({ how, retired }) => {
        if (!retired) logger.error({ how }, 'the process for direct viewers ended')
      },
    })
  }

  #heard(report: DirectReport): void {
    switch (report.type) {
      case 'ready':
        return this.#supervisor?.working()
      case 'answer':
        return this.#asked.get(report.viewer)?.resolve(report.sdp)
      case 'refused':
        return this.#asked
          .get(report.viewer)
          ?.reject(new CodedError('direct_unavailable', `the sender can not answer: ${report.reason}`))
      case 'left':
        return this.#remove(report.viewer)
      case 'keyframe':
        return this.#options.keyframe()
      case 'alive':
        return
    }
  }

  #add(viewer: string): void {
    const before = this.#viewers.size
    this.#viewers.add(viewer)
    if (before === 0) this.#options.watched(true)
  }

  #remove(viewer: string): void {
    if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return
    this.#options.watched(false)
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      const supervisor = this.#supervisor
      this.#supervisor = null
      supervisor?.[Symbol.asyncDispose]().catch(() => {})
    }, IDLE_MS)
  }
}
