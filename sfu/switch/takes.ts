import type { SwitchToHub } from '../../common/wire/switch-ipc.ts'

type Failure = Extract<SwitchToHub, { type: 'take_failed' }>['code']

export interface Take {
  /** The hub's number of the take. */
  readonly request: number
  readonly input: string
  /** Input of the sound; null: that of the picture; undefined: by the rules. */
  readonly audio: string | null | undefined
  /** Not before, by `machineMs`. */
  readonly atMs: number | null
}

/** The take under way: a later one takes its place. It is answered when its input's first picture has left. */
export class Takes implements Disposable {
  readonly #tell: (message: SwitchToHub) => void
  #pending: Take | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (message: SwitchToHub) => void) {
    this.#tell = tell
  }

  /** @param due called when it is time */
  add(take: Take, nowMs: number, due: (take: Take) => void): void {
    const before = this.#pending
    if (before) this.refuse(before.request, 'take_superseded', `${take.input} was taken meanwhile`)
    clearTimeout(this.#timer)
    this.#pending = take
    const waitMs = (take.atMs ?? nowMs) - nowMs
    if (waitMs <= 0) due(take)
    else this.#timer = setTimeout(() => due(take), waitMs)
  }

  refuse(request: number, code: Failure, message: string): void {
    this.#tell({ type: 'take_failed', request, code, message })
  }

  /** The first picture of this input has left, or it was there already. */
  done(input: string, times: { readonly at_unix_ms: number; readonly capture_unix_ms: number | null }): void {
    const take = this.#pending
    if (take?.input !== input) return
    this.#pending = null
    this.#tell({ type: 'took', request: take.request, ...times })
  }

  /** The input that the pending take waits for can't be shown any more. */
  failed(input: string): void {
    const take = this.#pending
    if (take?.input !== input) return
    this.#pending = null
    this.refuse(take.request, 'input_not_live', `${input} stopped sending before it was on air`)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
