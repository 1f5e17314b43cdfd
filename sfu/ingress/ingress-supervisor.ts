import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { CodedError, messageOf } from '../../common/errors.ts'
import { type Logger, levelOf } from '../../common/logger.ts'
import { backoffMs, pause } from '../../common/retry.ts'
import type { ChildWatch } from '../../common/supervision/child-watch.ts'
import type { StartGate } from '../../common/supervision/start-gate.ts'
import {
  type HubToIngress,
  type IngressToHub,
  ingressToHubSchema,
  type RistInput,
} from '../../common/wire/ingress-ipc.ts'
import { compileCacheEnv, fillCompileCache } from './compile-cache.ts'
import { KnockGate } from './knock-gate.ts'
import { KnockListener } from './knock-listener.ts'

const ENTRY = fileURLToPath(new URL('./ingress-main.ts', import.meta.url))
/** Media lives in buffers outside the heap; the young generation needs little room and takes up to 48 MB unasked. */
const NODE_FLAGS = ['--max-semi-space-size=1']
const RESTART_BACKOFF = { initialMs: 50, maxMs: 5000, factor: 2 }
const HEALTHY_AFTER_MS = 10_000
/** The process reports its cursors ten times a second; silent this long by its own fault, it hangs. */
const HANG_AFTER_MS = 3000
/** A fresh process has more to do before it first speaks. */
const START_WITHIN_MS = 10_000
const STOP_WITHIN_MS = 1500

export interface IngressSpec {
  readonly streamId: string
  /** What the process listens for; asked anew for each process, as the buffer is fitted while one runs. */
  readonly input: () => RistInput
  /** Loopback port RTP leaves from, the same for every process of this stream. */
  readonly rtpPort: number
  /** No process runs while nobody sends: the hub holds the ports until a sender knocks. */
  readonly awaitsKnock: boolean
}

/** What the ingress processes of all streams share. */
export interface IngressSupervision {
  readonly watch: ChildWatch
  readonly gate: StartGate
}

/** What the stream does with its ingress's reports. */
export interface IngressListener {
  message(message: IngressToHub): void
  /** The process ended without being asked; its successor is on the way. */
  died(how: string): void
  /** The process ended because there is no sender; its successor comes when one knocks. */
  retired(): void
}

/** Does once what all ingress processes profit from; streams that are opened later start without waiting for it. */
export function prepareIngress(): Promise<void> {
  return fillCompileCache(ENTRY)
}

/**
 * Keeps one ingress process running for one stream while there is a sender: holds the ports until one knocks, forks the
 * process, restarts it with back-off when it dies, kills it when it hangs (one that is merely slow is left alone), and ends
 * it when the sender is long gone, and on dispose. What it was last told about its lane is the stream's to repeat.
 */
export class IngressSupervisor implements AsyncDisposable {
  readonly #spec: IngressSpec
  readonly #listener: IngressListener
  readonly #shared: IngressSupervision
  readonly #logger: Logger
  readonly #closing = new AbortController()
  readonly #knocks = new KnockGate(performance.now())
  readonly #running: Promise<void>
  #child: ChildProcess | null = null
  /** Media came through it when last heard: whoever watches waits for its successor. */
  #flowing = false
  /** A sender proved to be the stream's since the last knock. */
  #proven = false
  /** The process that runs was told to end, for want of a sender. */
  #retiring = false

  constructor(spec: IngressSpec, listener: IngressListener, shared: IngressSupervision, logger: Logger) {
    this.#spec = spec
    this.#listener = listener
    this.#shared = shared
    this.#logger = logger.child({ room: 'sfu', stream_id: spec.streamId })
    this.#running = this.#run()
  }

  /** Process id of the ingress that runs now, for tests and operators. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Tells the process; lost when none runs, as its successor will report and be told anew. */
  send(message: HubToIngress): void {
    if (this.#child?.connected) this.#child.send(message, () => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit')
      this.send({ type: 'stop' })
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
      await gone
      clearTimeout(killer)
    }
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    let attempt = 0
    let held = this.#spec.awaitsKnock ? await this.#hold() : null
    await prepareIngress()
    while (!signal.aborted) {
      const place = await this.#shared.gate.take(this.#flowing, signal).catch(() => null)
      if (!place) break
      const startedAt = performance.now()
      const how = await this.#runOne(place, held)
      place[Symbol.dispose]()
      held?.[Symbol.dispose]()
      held = null
      if (signal.aborted) return
      if (this.#retiring) this.#listener.retired()
      else this.#listener.died(how)
      attempt = performance.now() - startedAt > HEALTHY_AFTER_MS ? 0 : attempt + 1
      // One that died under a sender is needed at once; nobody waits for any other.
      if (this.#spec.awaitsKnock && (this.#retiring || !this.#proven)) {
        if (this.#proven) this.#knocks.proved()
        else this.#knocks.cameToNothing(performance.now())
        held = await this.#hold()
      } else if (attempt > 1) await pause(backoffMs(RESTART_BACKOFF, attempt - 2), signal).catch(() => {})
    }
    held?.[Symbol.dispose]()
  }

  /** Holds the ports until somebody knocks, and further on; null when the supervisor is closed first. */
  async #hold(): Promise<KnockListener | null> {
    const { signal } = this.#closing
    this.#flowing = false
    this.#proven = false
    const knocked = Promise.withResolvers<void>()
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        using stack = new DisposableStack()
        const held = stack.use(this.#holdPorts(knocked.resolve))
        held.listen()
        await untilAborted(knocked.promise, signal)
        stack.move()
        return held
      } catch (error) {
        if (signal.aborted) break
        const code = error instanceof CodedError ? error.code : 'ingress_failed'
        this.#listener.message({ type: 'failed', code, message: messageOf(error) })
        await pause(backoffMs(RESTART_BACKOFF, attempt), signal).catch(() => {})
      }
    }
    return null
  }

  #holdPorts(onKnock: () => void): KnockListener {
    const { address, links, aes_bits } = this.#spec.input()
    return new KnockListener({
      ...{ address, links, aesBits: aes_bits },
      onKnock: (source) => {
        const answered = this.#knocks.answers(source, performance.now())
        if (answered) onKnock()
        return answered
      },
      onRejected: (rejection) => this.#listener.message({ type: 'rejected', ...rejection }),
    })
  }

  /**
   * One process from fork to exit; answers how it ended.
   * @param place where it starts: others have their turn once it listens
   * @param held lets go of the ports once the process can take them
   */
  async #runOne(place: Disposable, held: Disposable | null): Promise<string> {
    this.#retiring = false
    const child = fork(ENTRY, [], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'json',
      execArgv: [...process.execArgv, ...NODE_FLAGS],
      env: { ...process.env, ...compileCacheEnv },
    })
    this.#child = child
    // One that could not be forked has no pid, and says so by `error`.
    using watched =
      child.pid === undefined
        ? null
        : this.#shared.watch.watch(child.pid, START_WITHIN_MS, () => this.#killHanging(child))
    let spoke = false
    child.on('message', (raw) => {
      const parsed = ingressToHubSchema.safeParse(raw)
      if (!parsed.success) {
        this.#logger.error(
          { issues: parsed.error.issues },
          'ingress said something that is not in its protocol',
        )
        return
      }
      if (child !== this.#child) return
      const message = parsed.data
      if (message.type === 'loaded') {
        held?.[Symbol.dispose]()
        this.#start(child)
      } else if (message.type === 'unused') this.#retire(child, message.proven)
      else if (message.type === 'flow') this.#proven = true
      else if (message.type === 'ready') {
        place[Symbol.dispose]()
        this.#logger.info({ child_pid: child.pid }, 'ingress listens')
      } else if (message.type === 'cursors') spoke = true
      else if (message.type === 'media') this.#flowing = message.flowing
      if (spoke) watched?.spoke(HANG_AFTER_MS)
      this.#listener.message(message)
    })
    const how = await new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
      child.once('error', (error) => resolve(`could not start: ${error.message}`))
    })
    // What it said last may still come out of the channel, and must not undo what its death has set right.
    this.#child = null
    return how
  }

  #start(child: ChildProcess): void {
    const { streamId, input, rtpPort } = this.#spec
    child.send(
      {
        type: 'start',
        stream_id: streamId,
        // As it is now: the level may change while the hub runs.
        log_level: levelOf(this.#logger),
        input: input(),
        rtp_port: rtpPort,
      } satisfies HubToIngress,
      () => {},
    )
  }

  /** Nobody sends: the process ends, and the next one comes with the next knock. */
  #retire(child: ChildProcess, proven: boolean): void {
    if (!this.#spec.awaitsKnock || this.#retiring) return
    this.#retiring = true
    this.#proven = proven
    this.#logger.info({ child_pid: child.pid, proven }, 'no sender: the ports are held until one knocks')
    this.send({ type: 'stop' })
  }

  #killHanging(child: ChildProcess): void {
    this.#logger.error({ child_pid: child.pid }, 'ingress process hangs: ending it')
    child.kill('SIGKILL')
  }
}

/** Waits for a promise. @throws the signal's reason when it is aborted first */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) throw signal.reason
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
