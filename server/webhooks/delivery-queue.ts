import { CodedError, messageOf } from '../../common/errors.ts'
import { type Backoff, backoffMs, pause } from '../../common/retry.ts'
import type { WebhookEvent } from '../../common/wire/webhook.ts'

/** The outcome of one attempt. `gone`: the receiver wants no more (RFC 9110 section 15.5.11). */
export type Outcome = 'arrived' | 'failed' | 'gone'

/** The end of an event's delivery. */
export type Over = 'arrived' | 'given-up' | 'displaced'

export interface DeliveryQueueOptions {
  /** Most events that wait. One more displaces the oldest. */
  readonly capacity: number
  readonly maxAttempts: number
  readonly backoff: Backoff
  /** Tries to deliver; `attempt` counts from 1. @throws anything for a failure */
  readonly attempt: (event: WebhookEvent, attempt: number, signal: AbortSignal) => Promise<number>
  /** Called after each attempt. False ends the queue: the webhook is off. */
  readonly onOutcome: (outcome: Outcome, reason: string) => Promise<boolean>
  /** The delivery of an event is over: arrived or given up. Its place in the store can go. */
  readonly onOver: (event: WebhookEvent, how: Over, reason: string) => Promise<void>
}

/**
 * The deliveries of one webhook: one at a time, in the order of the events. A failed delivery is tried again after ever
 * longer breaks, and holds up those after it.
 */
export class DeliveryQueue implements AsyncDisposable {
  readonly #options: DeliveryQueueOptions
  readonly #abort = new AbortController()
  #waiting: WebhookEvent[] = []
  #running: Promise<void> | undefined

  constructor(options: DeliveryQueueOptions) {
    this.#options = options
  }

  get length(): number {
    return this.#waiting.length
  }

  async add(event: WebhookEvent): Promise<void> {
    if (this.#abort.signal.aborted) return
    this.#waiting.push(event)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    // The first event is under way.
    if (this.#waiting.length > this.#options.capacity) {
      const [displaced] = this.#waiting.splice(1, 1)
      if (displaced) await this.#options.onOver(displaced, 'displaced', 'too many deliveries wait')
    }
  }

  /** Ends the attempt under way. Waiting events stay in the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    this.#waiting = []
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    for (let event = this.#waiting[0]; event !== undefined && !signal.aborted; event = this.#waiting[0]) {
      if (!(await this.#deliver(event))) return
      if (this.#waiting[0] === event) this.#waiting.shift()
    }
  }

  /** False: the webhook is off, or the hub stops. */
  async #deliver(event: WebhookEvent): Promise<boolean> {
    const { maxAttempts, backoff, onOutcome, onOver } = this.#options
    const { signal } = this.#abort
    for (let attempt = 1; ; attempt += 1) {
      const [outcome, reason] = await this.#attempt(event, attempt)
      if (signal.aborted && outcome !== 'arrived') return false
      if (outcome === 'arrived') await onOver(event, 'arrived', reason)
      if (!(await onOutcome(outcome, reason))) return false
      if (outcome === 'arrived') return true
      if (attempt >= maxAttempts) {
        await onOver(event, 'given-up', `${attempt} attempts failed, the last one: ${reason}`)
        return true
      }
      try {
        await pause(backoffMs(backoff, attempt - 1), signal)
      } catch {
        return false
      }
    }
  }

  async #attempt(event: WebhookEvent, attempt: number): Promise<[outcome: Outcome, reason: string]> {
    try {
      const status = await this.#options.attempt(event, attempt, this.#abort.signal)
      const reason = `it answered ${status}`
      if (status >= 200 && status < 300) return ['arrived', reason]
      if (status >= 300 && status < 400) return ['failed', `${reason}: redirects are not followed`]
      return [status === 410 ? 'gone' : 'failed', reason]
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError')
        return ['failed', 'it did not answer in time']
      return ['failed', error instanceof CodedError ? error.message : codeOf(error)]
    }
  }
}

/** Node's short code where there is one: messages may hold what the other end sent. */
function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return messageOf(error)
}
