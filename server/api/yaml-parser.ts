import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import { badRequest } from './refusals.ts'

/**
 * Most CPU time for a body, ms: on a busy machine a body only takes longer. A usual body of MAX_YAML_BYTES takes some
 * 100 ms, a hostile one takes seconds.
 */
const LIMIT_MS = 1000
const LOOK_EVERY_MS = 50
/** Most bodies that wait for the thread. */
const MAX_WAITING = 16
/** Most bodies of a tenant, the body being read included. A tenant may have any number of tokens. */
const MAX_OF_TENANT = 4
/** The thread ends after this time without YAML, ms: most hubs see YAML once a week. */
const IDLE_MS = 30_000
/** Memory of the thread, MiB. Documents of the longest accepted length need a tenth of it. */
const MEMORY_MB = 96

const answerSchema = z.union([
  /** The parsed text as JSON, which is cheap to take over. */
  z.strictObject({ json: z.string() }),
  z.strictObject({ message: z.string(), details: z.array(z.string()) }),
])

/** The sender of a body. */
export interface YamlSender {
  /** Each caller has one body at a time, so that nobody keeps others out. */
  readonly caller: string
  /** Each tenant has a few bodies at a time; null is the hub's own admin. */
  readonly tenantId: string | null
  /** Aborted when nobody waits for the body any more. A body whose turn has not come is then not read. */
  readonly signal?: AbortSignal
}

interface Job extends YamlSender {
  readonly text: string
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export interface YamlParserOptions {
  readonly limitMs?: number
  readonly idleMs?: number
  readonly memoryMb?: number
}

/**
 * Parses YAML on a thread of its own, one body after the other, so that no body delays the hub's event loop. The first
 * body starts the thread. A body that takes too long or too much memory makes the parser replace the thread.
 */
export class YamlParser implements AsyncDisposable {
  readonly #limitMs: number
  readonly #idleMs: number
  readonly #memoryMb: number
  readonly #waiting: Job[] = []
  #running: Job | undefined
  #thread: Worker | undefined
  /** Looks how much CPU time the body that is being read has taken. */
  #watch: NodeJS.Timeout | undefined
  /** Until the thread ends. */
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor({ limitMs = LIMIT_MS, idleMs = IDLE_MS, memoryMb = MEMORY_MB }: YamlParserOptions = {}) {
    this.#limitMs = limitMs
    this.#idleMs = idleMs
    this.#memoryMb = memoryMb
  }

  /** Whether there is a thread now. */
  get runs(): boolean {
    return this.#thread !== undefined
  }

  /**
   * @throws CodedError 400 with the faults, 429 or 503 where too many wait; and the reason with which `signal` is aborted
   */
  parse(text: string, sender: YamlSender): Promise<unknown> {
    const { caller, tenantId, signal } = sender
    signal?.throwIfAborted()
    const others = [this.#running, ...this.#waiting].filter((job) => job !== undefined)
    if (others.some((job) => job.caller === caller))
      throw tooMany('another YAML body of yours is being read', 'one YAML body at a time')
    if (others.filter((job) => job.tenantId === tenantId).length >= MAX_OF_TENANT)
      throw tooMany(
        'other YAML bodies of your tenant are being read',
        `${MAX_OF_TENANT} YAML bodies of a tenant at a time`,
      )
    if (this.#closed || this.#waiting.length >= MAX_WAITING)
      throw new CodedError('saturated', 'too many YAML bodies wait', { resource: 'yaml' })
    return new Promise((resolve, reject) => {
      const job: Job = { ...sender, text, resolve, reject }
      this.#waiting.push(job)
      signal?.addEventListener('abort', () => this.#forget(job), { once: true })
      this.#next()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    clearInterval(this.#watch)
    const gone = new CodedError('draining', 'the hub is stopping: ask again', { resource: 'hub' })
    for (const job of [this.#running, ...this.#waiting.splice(0)]) job?.reject(gone)
    this.#running = undefined
    await this.#thread?.terminate()
  }

  #forget(job: Job): void {
    const place = this.#waiting.indexOf(job)
    if (place < 0) return
    this.#waiting.splice(place, 1)
    job.reject(job.signal?.reason)
  }

  #next(): void {
    if (this.#running !== undefined) return
    const job = this.#waiting.shift()
    clearTimeout(this.#idle)
    if (job === undefined) {
      this.#thread?.unref()
      this.#idle = setTimeout(() => this.#end(), this.#idleMs).unref()
      return
    }
    this.#running = job
    this.#thread ??= this.#begin()
    this.#thread.ref()
    this.#thread.postMessage(job.text)
  }

  #begin(): Worker {
    const thread = new Worker(new URL('./yaml-thread.ts', import.meta.url), {
      resourceLimits: {
        maxOldGenerationSizeMb: this.#memoryMb,
        maxYoungGenerationSizeMb: 16,
        stackSizeMb: 4,
      },
      // The hub's environment may hold secrets.
      env: {},
      argv: [],
      execArgv: [],
    })
    thread.on('message', (message: unknown) => {
      if (message === 'begun') this.#meter(thread)
      else this.#settle(message)
    })
    thread.on('error', (error: unknown) => {
      const outOfMemory =
        error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      if (outOfMemory) this.#giveUp('takes too much memory to read')
      else this.#fail(error)
    })
    return thread
  }

  /** The body's time runs from here, not from the start of the thread. */
  #meter(thread: Worker): void {
    const job = this.#running
    const before = thread.cpuUsage()
    const look = async () => {
      const { user, system } = await thread.cpuUsage(await before)
      if (this.#running === job && this.#thread === thread && (user + system) / 1000 > this.#limitMs)
        this.#giveUp('takes too long to read')
    }
    // A thread that ended meanwhile is told by its own event.
    this.#watch = setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS).unref()
    before.catch(() => {})
  }

  #fail(error: unknown): void {
    this.#end()
    clearInterval(this.#watch)
    this.#running?.reject(error)
    this.#running = undefined
    this.#next()
  }

  #settle(message: unknown): void {
    clearInterval(this.#watch)
    const job = this.#running
    this.#running = undefined
    try {
      const answer = answerSchema.parse(message)
      if ('json' in answer) job?.resolve(JSON.parse(answer.json))
      else job?.reject(badRequest(answer.message, answer.details))
    } catch (error) {
      job?.reject(error)
    }
    this.#next()
  }

  #giveUp(why: string): void {
    this.#end()
    const details = [`body: it ${why}: write it with fewer anchors and brackets, or send JSON`]
    this.#settle({ message: `the YAML ${why}`, details })
  }

  #end(): void {
    const thread = this.#thread
    this.#thread = undefined
    thread?.removeAllListeners()
    thread?.on('error', () => {})
    void thread?.terminate()
  }
}

function tooMany(what: string, bound: string): CodedError {
  return new CodedError('too_many_requests', what, {
    retryAfterSeconds: 1,
    details: [`body: ${bound}; JSON has no such limit`],
  })
}
