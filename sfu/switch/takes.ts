import type { HubToSwitch, SwitchToHub } from '../../common/wire/switch-ipc.ts'

/** A take whose input sent no keyframe for this long is given up, ms: within the time of its answer, and as the last word. */
const KEYFRAME_WITHIN_MS = 4500

type Failure = Extract<SwitchToHub, { type: 'take_failed' }>['code']

type TakeMessage = Extract<HubToSwitch, { type: 'take' }>

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
  #isDue = false
  #timer: NodeJS.Timeout | undefined
  /** Takes that came before their input was heard; null once the process is old enough to know its inputs. */
  #early: TakeMessage[] | null = []

  constructor(tell: (message: SwitchToHub) => void) {
    this.#tell = tell
  }

  /**
   * @param due called when it is time
   * @param late called where the input has sent no keyframe in time; the take is refused already
   */
  add(take: Take, nowMs: number, due: (take: Take) => void, late: () => void): void {
    const before = this.#pending
    if (before) this.refuse(before.request, 'take_superseded', `${take.input} was taken meanwhile`)
    clearTimeout(this.#timer)
    this.#pending = take
    const waitMs = (take.atMs ?? nowMs) - nowMs
    this.#isDue = false
    const begin = (): void => {
      this.#isDue = true
      this.#timer = setTimeout(() => {
        this.#pending = null
        const { request, input } = take
        this.refuse(request, 'keyframe_late', `${input} sent no keyframe within ${KEYFRAME_WITHIN_MS} ms`)
        late()
      }, KEYFRAME_WITHIN_MS)
      due(take)
    }
    if (waitMs <= 0) begin()
    else this.#timer = setTimeout(begin, waitMs)
  }

  /** Keeps a take whose input was not heard yet. @returns false where the process should know the input by now */
  holds(take: TakeMessage): boolean {
    this.#early?.push(take)
    return this.#early !== null
  }

  /** The kept takes whose inputs are heard by now. @param last keeps no take from now on */
  release(isHeard: (input: string) => boolean, last: boolean): readonly TakeMessage[] {
    const early = this.#early ?? []
    this.#early = last ? null : early.filter(({ input }) => !isHeard(input))
    return early.filter(({ input }) => isHeard(input))
  }

  refuse(request: number, code: Failure, message: string): void {
    this.#tell({ type: 'take_failed', request, code, message })
  }

  /** The first picture of this input has left, or it was there already. A take that is not due yet goes on waiting. */
  done(input: string, times: { readonly at_unix_ms: number; readonly capture_unix_ms: number | null }): void {
    const take = this.#pending
    if (take?.input !== input || !this.#isDue) return
    this.#end()
    this.#tell({ type: 'took', request: take.request, ...times })
  }

  /** The input that the pending take waits for can't be shown any more. */
  failed(input: string): void {
    const take = this.#pending
    if (take?.input !== input) return
    this.#end()
    this.refuse(take.request, 'input_not_live', `${input} stopped sending before it was on air`)
  }

  [Symbol.dispose](): void {
    this.#end()
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#pending = null
  }
}
