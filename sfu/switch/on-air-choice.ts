import type { SwitchToHub } from '../../common/wire/switch-ipc.ts'
import type { SwitchCause, SwitchRules } from '../../common/wire/switched-inputs.ts'
import {
  chooseInput,
  FRESH_INPUTS,
  type InputsState,
  resumedInputs,
  takeByHand,
} from '../../policy/inputs/choose-input.ts'
import { type InputHealth, type InputSeen, judgeHealth } from '../../policy/inputs/input-health.ts'

/** An input as far as the choice goes. */
export interface ChoosableInput {
  readonly id: string
  readonly seen: InputSeen
}

type ToldInputs = Extract<SwitchToHub, { type: 'inputs' }>['inputs']

export interface Step {
  /** Another input is wanted than before. */
  readonly changed: boolean
  /** The states of the inputs, where they changed; null where they did not. */
  readonly states: ToldInputs | null
  readonly lookAgainAtMs: number | null
}

/** What should be on air, by the rules, and what is. The two differ until the wanted input has sent a keyframe. */
export class OnAirChoice {
  #state: InputsState
  #health: readonly InputHealth[] = []
  #told = ''
  #onAir: string | null
  /** What was wanted at the last step. */
  #aimed: string | null
  /** What was taken by hand before a take whose input is not on air yet; undefined where there is no such take. */
  #takenBefore: string | null | undefined
  cause: SwitchCause = 'first'
  reason = 'the first input'

  /** @param before what a predecessor had on air, and what was taken by hand */
  constructor(
    before: { readonly on_air: string | null; readonly taken: string | null; readonly rules: SwitchRules },
    nowMs: number,
  ) {
    const { on_air: onAir, taken, rules } = before
    this.#onAir = onAir
    // What was taken is waited for though it was not on air: the slate was, or the hub has begun anew.
    const awaited = onAir ?? taken
    this.#state =
      awaited === null ? FRESH_INPUTS : resumedInputs({ onAir: awaited, taken, auto: rules.auto }, nowMs)
    this.#aimed = this.wanted
  }

  /** The input whose media leaves now; null for the slate, or nothing. */
  get onAir(): string | null {
    return this.#onAir
  }

  get wanted(): string | null {
    return this.#state.onAir
  }

  /** What was taken by hand and still counts. */
  get taken(): string | null {
    return this.#state.taken
  }

  /** Call {@link step} next. @returns false for an input that is not healthy: what is on air stays */
  take(id: string): boolean {
    const taken = takeByHand(this.#state, this.#health, id)
    if (!taken) return false
    if (id === this.#onAir) this.#takenBefore = undefined
    else if (this.#takenBefore === undefined) this.#takenBefore = this.#state.taken
    this.#state = taken
    return true
  }

  /** Forgets a take whose input is not on air yet: what is on air stays, as if nobody had taken. Call {@link step} next. */
  giveUp(): void {
    if (this.#takenBefore === undefined) return
    this.#state = { ...this.#state, taken: this.#takenBefore, justTaken: false, onAir: this.#onAir }
    this.#takenBefore = undefined
  }

  stateOf(id: string): InputHealth['state'] {
    return this.#healthOf(id).state
  }

  /** Whether media of this input changes its state: it was not healthy before. */
  heals({ id }: ChoosableInput): boolean {
    return this.#healthOf(id).state !== 'healthy'
  }

  /** Whether the input on air has failed, and this one is awaited in its place: the reason is then why there is no picture. */
  awaits({ id }: ChoosableInput): boolean {
    if (this.#onAir === null || this.stateOf(this.#onAir) === 'healthy') return false
    this.reason = `${this.#onAir} is ${this.stateOf(this.#onAir)}, and ${id} has sent no keyframe yet`
    return true
  }

  /** Media of this input leaves from now on; null: the slate. @returns whether that is a change */
  begins(id: string | null): boolean {
    if (id === this.#state.taken || id !== this.#onAir) this.#takenBefore = undefined
    if (this.#onAir === id) return false
    this.#onAir = id
    return true
  }

  step(inputs: readonly ChoosableInput[], rules: SwitchRules, nowMs: number): Step {
    const judged = inputs.map(({ id, seen }) => judgeHealth(this.#healthOf(id), seen, rules, nowMs))
    this.#health = judged.map(({ health }) => health)
    if (this.taken !== null && this.stateOf(this.taken) !== 'healthy') this.giveUp()
    const before = this.#aimed
    const { state, cause, reason, lookAgainAtMs } = chooseInput(this.#state, this.#health, rules, nowMs)
    this.#state = state
    this.#aimed = this.wanted
    if (cause) this.cause = cause
    if (reason) this.reason = reason
    const states = this.#health.map(({ id, state: is, why }) => ({
      id,
      state: is,
      ...(why !== undefined && { reason: why }),
    }))
    const told = JSON.stringify(states)
    const news = told !== this.#told
    this.#told = told
    const looks = [lookAgainAtMs, ...judged.map((each) => each.lookAgainAtMs)].filter((ms) => ms !== null)
    return {
      changed: before !== this.wanted,
      states: news ? states : null,
      lookAgainAtMs: looks.length > 0 ? Math.min(...looks) : null,
    }
  }

  #healthOf(id: string): InputHealth {
    return (
      this.#health.find((each) => each.id === id) ?? {
        id,
        state: 'absent',
        sinceMs: Number.NEGATIVE_INFINITY,
      }
    )
  }
}
