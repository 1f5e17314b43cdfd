import type { z } from 'zod'
import { pause } from '../retry.ts'
import { Child, type Program } from './child.ts'
import type { ChildWatch, WatchedChild } from './child-watch.ts'
import { type PaceOptions, RestartPace } from './restart-pace.ts'
import type { StartGate } from './start-gate.ts'

/** Messages outside the protocol that are told of each process; all are counted. */
const TOLD_STRAY = 5

/** `hangs` and `broken` end a process: it is silent by its own fault, or breaks its channel. `stray`: a message outside the protocol. */
export type ChildTrouble = 'hangs' | 'broken' | 'stray'

/** How a process ended, or why it could not begin. */
export interface ChildEnd {
  /** A signal, `exit code 1`, or why it could not start. */
  readonly how: string
  /** `retire()` told the process to end. */
  readonly retired: boolean
  /** The next one starts no sooner than after this, ms. */
  readonly againMs: number
}

export interface SupervisorOptions<Said> {
  /** What is kept running, in words: `ingress`. */
  readonly name: string
  /** Asked again for each process. */
  readonly program: () => Program
  /** Schema of everything that the process may say. */
  readonly said: z.ZodType<Said>
  readonly pace: PaceOptions
  /** How long the process may take to end when asked, ms; 0 kills without asking. */
  readonly stopWithinMs: number
  /**
   * How much silence of its own fault is allowed, ms: until `working()`, and after that. null where it need not speak.
   */
  readonly silence: { readonly watch: ChildWatch; readonly startMs: number; readonly workMs: number } | null
  /** Where the process waits for its turn to start. It has started once `working()` is called. */
  readonly gate?: { readonly gate: StartGate; readonly urgent: () => boolean }
  /**
   * Resolves when a process is needed; each start waits for that. @throws an obstacle: it is reported, and tried again
   */
  readonly needed?: (signal: AbortSignal) => Promise<void>
  /** A process was started. It has said nothing yet. */
  readonly started?: (child: Child) => void
  readonly heard?: (message: Said) => void
  /** The process that runs is at fault. @param what in words, with its pid */
  readonly trouble: (kind: ChildTrouble, what: string) => void
  /** A process ended that nobody closed. Its successor comes when it is needed, after the back-off. */
  readonly ended: (end: ChildEnd) => void
  /** `needed` threw. */
  readonly failed?: (error: unknown) => void
  /** Monotonic time. */
  readonly clock?: SupervisorClock
}

export interface SupervisorClock {
  /** ms */
  now(): number
  /** @throws the signal's reason when it is aborted */
  pause(ms: number, signal: AbortSignal): Promise<void>
}

const MONOTONIC: SupervisorClock = { now: () => performance.now(), pause }

/** Counts since the supervisor began. */
export interface SupervisorCounts {
  /** Processes that were started. */
  starts: number
  /** Processes that ended without being asked to. */
  failures: number
  /** Failures of processes that hung and were killed. */
  hangs: number
  /** Failures of processes that flooded the channel or sent what is no message. */
  broken: number
  /** Messages outside the protocol. */
  stray: number
}

/**
 * Keeps one child process running from its construction until it is disposed of. It waits until the process is needed,
 * and for its turn to start. It hears the process, kills it when it hangs by its own fault, floods, or sends garbage,
 * and replaces it with back-off when it ends. On dispose it asks the process to end, and kills it when that takes too
 * long. There is one process at a time, and nothing of a process is heard after its end was told.
 */
export class Supervisor<Tells, Said> implements AsyncDisposable {
  readonly counts: SupervisorCounts = { starts: 0, failures: 0, hangs: 0, broken: 0, stray: 0 }
  readonly #options: SupervisorOptions<Said>
  readonly #clock: SupervisorClock
  readonly #pace: RestartPace
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #child: Child | null = null
  #watched: WatchedChild | null = null
  #place: Disposable | null = null
  #working = false
  #retiring = false

  constructor(options: SupervisorOptions<Said>) {
    this.#options = options
    this.#clock = options.clock ?? MONOTONIC
    this.#pace = new RestartPace(options.pace)
    this.#running = this.#run()
  }

  /** The present process. */
  get child(): Child | null {
    return this.#child
  }

  /** Sends a message to the process. Without a process the message is lost. */
  tell(message: Tells): void {
    this.#child?.send(message)
  }

  /** The process works from now on: others have their turn to start, and it must not be silent for long. */
  working(): void {
    this.#working = true
    this.#leaveGate()
    this.spoke()
  }

  /** A sign of life other than a message. */
  spoke(): void {
    if (this.#working) this.#watched?.spoke(this.#options.silence?.workMs)
  }

  /** Ends the present process, which is no failure. The next one starts when it is needed. */
  retire(): void {
    if (!this.#child || this.#retiring) return
    this.#retiring = true
    void this.#child.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#child?.stop()
    await this.#running
  }

  async #run(): Promise<void> {
    const { needed, ended, failed, gate } = this.#options
    const { signal } = this.#closing
    let notBefore = 0
    while (!signal.aborted) {
      try {
        if (needed) await needed(signal)
        const early = notBefore - this.#clock.now()
        if (early > 0) await this.#clock.pause(early, signal)
        this.#place = gate ? await gate.gate.take(gate.urgent(), signal) : null
      } catch (error) {
        if (signal.aborted) return
        failed?.(error)
        await this.#clock.pause(this.#pace.failed(0), signal).catch(() => {})
        continue
      }
      // Whoever closed the supervisor meanwhile found no process to end.
      if (signal.aborted) return this.#leaveGate()
      const startedAt = this.#clock.now()
      const how = await this.#runOne()
      if (signal.aborted) return
      const now = this.#clock.now()
      const retired = this.#retiring
      if (!retired) this.counts.failures += 1
      const againMs = retired ? 0 : this.#pace.failed(now - startedAt)
      notBefore = now + againMs
      ended({ how, retired, againMs })
    }
  }

  /** One process from start to end. @returns how it ended */
  async #runOne(): Promise<string> {
    const { program, silence, stopWithinMs, started } = this.#options
    this.#retiring = false
    this.#working = false
    let stray = 0
    const child = new Child(
      program(),
      {
        heard: (raw) => {
          if (child !== this.#child) return
          const parsed = this.#options.said.safeParse(raw)
          if (parsed.success) {
            this.spoke()
            this.#options.heard?.(parsed.data)
            return
          }
          this.counts.stray += 1
          stray += 1
          if (stray > TOLD_STRAY) return
          const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
          this.#tell('stray', child, `said what is not in its protocol: ${issues.join(', ')}`)
        },
        broken: (why) => {
          this.counts.broken += 1
          this.#tell('broken', child, `is ended: it ${why}`)
        },
      },
      stopWithinMs,
    )
    this.#child = child
    this.counts.starts += 1
    let hangs = false
    using watched =
      silence === null || child.pid === undefined
        ? null
        : silence.watch.watch(child.pid, silence.startMs, () => {
            if (!hangs) {
              hangs = true
              this.counts.hangs += 1
              this.#tell('hangs', child, 'hangs: ending it')
            }
            child.kill()
          })
    this.#watched = watched
    started?.(child)
    const how = await child.ended
    this.#child = null
    this.#watched = null
    this.#leaveGate()
    return how
  }

  #leaveGate(): void {
    this.#place?.[Symbol.dispose]()
    this.#place = null
  }

  #tell(kind: ChildTrouble, { pid }: Child, what: string): void {
    this.#options.trouble(kind, `${this.#options.name} process ${pid} ${what}`)
  }
}
