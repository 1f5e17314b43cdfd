import { machineMs } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import type { HubToSwitch, SwitchToHub } from '../../common/wire/switch-ipc.ts'

/** A switch takes a round trip to the sender and a picture. A process that died is back within a second. */
const ANSWER_WITHIN_MS = 5000

type TakeMessage = Extract<HubToSwitch, { type: 'take' }>

export interface TakeResult {
  readonly input: string
  /** When the first picture of the input left, unix ms. */
  readonly at_unix_ms: number
  /** When that picture was captured, unix ms; null where nobody knows. */
  readonly capture_unix_ms: number | null
}

interface Pending {
  readonly message: TakeMessage
  readonly answer: PromiseWithResolvers<TakeResult>
  readonly timer: NodeJS.Timeout
}

/** Takes that were asked of the switch process and are not answered yet. */
export class PendingTakes implements Disposable {
  readonly #pending = new Map<number, Pending>()
  #last = 0

  /**
   * @param send sends the message to the present process
   * @throws CodedError `input_not_found` (404), `input_not_live`, `keyframe_late`, `take_superseded` (409),
   *   `switch_unavailable` (503)
   */
  add(
    take: Omit<TakeMessage, 'type' | 'request'>,
    send: (message: TakeMessage) => void,
  ): Promise<TakeResult> {
    this.#last += 1
    const request = this.#last
    const message: TakeMessage = { type: 'take', request, ...take }
    const answer = Promise.withResolvers<TakeResult>()
    const waitMs = Math.max((take.at_ms ?? 0) - machineMs(), 0) + ANSWER_WITHIN_MS
    const timer = setTimeout(
      () =>
        this.#fail(request, new CodedError('switch_unavailable', `no picture of ${take.input} came in time`)),
      waitMs,
    )
    this.#pending.set(request, { message, answer, timer })
    send(message)
    return answer.promise
  }

  /** What a new process must be told again. */
  get messages(): TakeMessage[] {
    return Array.from(this.#pending.values(), ({ message }) => message)
  }

  took({ request, at_unix_ms, capture_unix_ms }: Extract<SwitchToHub, { type: 'took' }>): void {
    const pending = this.#end(request)
    pending?.answer.resolve({ input: pending.message.input, at_unix_ms, capture_unix_ms })
  }

  failed({ request, code, message }: Extract<SwitchToHub, { type: 'take_failed' }>): void {
    const details =
      code === 'keyframe_late'
        ? [
            'an encoder that makes no keyframe on request should make one every 2 s or more often',
            'take again: the next keyframe may come in time',
          ]
        : []
    this.#fail(request, new CodedError(code, message, { details }))
  }

  [Symbol.dispose](): void {
    for (const request of [...this.#pending.keys()])
      this.#fail(request, new CodedError('switch_unavailable', 'the stream was closed'))
  }

  #fail(request: number, error: CodedError): void {
    this.#end(request)?.answer.reject(error)
  }

  #end(request: number): Pending | undefined {
    const pending = this.#pending.get(request)
    if (!pending) return undefined
    this.#pending.delete(request)
    clearTimeout(pending.timer)
    return pending
  }
}
