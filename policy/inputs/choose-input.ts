import type { SwitchCause, SwitchRules } from '../../common/wire/switched-inputs.ts'
import type { InputHealth } from './input-health.ts'
import { holdOf, pardon, remember, type Trusts } from './input-trust.ts'
import { switchReason } from './switch-reason.ts'

/** What the choice needs to know of the past. Times in ms of any steady clock. */
export interface InputsState {
  /** The chosen input; null: the slate. */
  readonly onAir: string | null
  /** What was taken by hand and still counts; null where the rules alone decide. */
  readonly taken: string | null
  /** Somebody took an input since the last step. */
  readonly justTaken: boolean
  /** Whether the rules decided at the last step. */
  readonly auto: boolean
  /** An input that was on air before a restart, and until when the others wait for it. */
  readonly awaited: { readonly id: string; readonly untilMs: number } | null
  /** Nothing was on air yet. */
  readonly fresh: boolean
  readonly trusts: Trusts
}

export interface InputChoice {
  readonly state: InputsState
  /** The input that should be on air; null: the slate. Media of the former one goes on until this one has an IDR. */
  readonly onAir: string | null
  /** Why it is another one than before; null where nothing changed. */
  readonly cause: SwitchCause | null
  /** The same in words. */
  readonly reason: string | null
  /** Call again at this time, also if no fact changes; null: only when one does. */
  readonly lookAgainAtMs: number | null
}

export type ChoiceRules = Pick<SwitchRules, 'auto' | 'threshold_ms' | 'frozen_ms' | 'return_after_ms'>

/** How long the others wait for the input that was on air before a restart, ms. */
export const AWAITED_MS = 1000

export const FRESH_INPUTS: InputsState = {
  onAir: null,
  taken: null,
  justTaken: false,
  auto: true,
  awaited: null,
  fresh: true,
  trusts: new Map(),
}

/** The state of a process that takes the place of one that died. */
export function resumedInputs(
  before: { readonly onAir: string | null; readonly taken: string | null; readonly auto: boolean },
  nowMs: number,
): InputsState {
  const { onAir, taken, auto } = before
  const awaited = onAir === null ? null : { id: onAir, untilMs: nowMs + AWAITED_MS }
  return { ...FRESH_INPUTS, taken, auto, awaited, fresh: onAir === null }
}

/**
 * Somebody takes an input by hand. Call `chooseInput` next, with the same inputs. Returns null where the input is not
 * healthy: then nothing is taken, and what is on air stays.
 */
export function takeByHand(
  state: InputsState,
  inputs: readonly InputHealth[],
  id: string,
): InputsState | null {
  if (inputs.find((input) => input.id === id)?.state !== 'healthy') return null
  return { ...state, taken: id, justTaken: true, awaited: null, trusts: pardon(state.trusts, id) }
}

/**
 * Which input is on air. Pure: the same question has the same answer. Call it when a fact or a rule changes, after a
 * take, and at `lookAgainAtMs`.
 *
 * With `auto`, the first healthy input in the given order is on air; a better one returns only after its time. What was
 * taken by hand stays until it fails. Without `auto`, what was taken is on air while it can be shown, else the slate.
 * An input that flaps must be healthy for longer each time. A frozen input is better than the slate.
 *
 * @param inputs in the order of preference, at most 8
 */
export function chooseInput(
  state: InputsState,
  inputs: readonly InputHealth[],
  rules: ChoiceRules,
  nowMs: number,
): InputChoice {
  const trusts = remember(state.trusts, inputs, nowMs)
  const byId = (id: string | null): InputHealth | undefined => inputs.find((input) => input.id === id)
  const readyAt = ({ id, sinceMs }: InputHealth): number => sinceMs + holdOf(trusts, id)
  /** On air already, or healthy for as long as its past demands. */
  const ready = (input: InputHealth): boolean =>
    input.state === 'healthy' && (input.id === state.onAir || readyAt(input) <= nowMs)
  const soonest = (times: readonly number[]): number | null => {
    const later = times.filter((time) => time > nowMs)
    return later.length > 0 ? Math.min(...later) : null
  }
  const healthy = inputs.filter((input) => input.state === 'healthy')

  const { awaited } = state
  if (awaited && nowMs < awaited.untilMs && byId(awaited.id)?.state !== 'healthy')
    return {
      state: { ...state, trusts },
      onAir: state.onAir,
      cause: null,
      reason: null,
      lookAgainAtMs: awaited.untilMs,
    }
  const resumed = awaited && byId(awaited.id)?.state === 'healthy' ? awaited.id : null

  const before = byId(state.onAir)
  let taken = state.taken
  if (rules.auto) {
    // Rules that begin to decide, or a taken input that failed: the order counts again.
    if (!state.auto && !state.justTaken) taken = null
    if (taken !== null && byId(taken)?.state !== 'healthy') taken = null
  } else taken ??= resumed ?? state.onAir ?? inputs.find(ready)?.id ?? null

  const settle = (onAir: string | null, lookAgainAtMs: number | null, beforeWorks = false): InputChoice => {
    const changed = onAir !== state.onAir
    const cause = changed ? causeOf(onAir, beforeWorks) : null
    const next: InputsState = {
      onAir,
      taken,
      justTaken: false,
      auto: rules.auto,
      awaited: null,
      fresh: state.fresh && onAir === null,
      trusts,
    }
    const reason = cause && switchReason(cause, { from: state.onAir, before, to: onAir, rules, nowMs })
    return { state: next, onAir, cause, reason, lookAgainAtMs }
  }
  const causeOf = (onAir: string | null, beforeWorks: boolean): SwitchCause => {
    if (onAir !== null && state.justTaken && onAir === state.taken) return 'taken'
    if (beforeWorks) return 'returned'
    if (state.onAir === null) return state.fresh ? 'first' : 'back'
    return before === undefined || before.state === 'healthy' ? 'absent' : before.state
  }

  if (taken !== null) {
    const input = byId(taken)
    if (input && (ready(input) || input.state === 'frozen')) return settle(taken, null)
    return settle(null, input?.state === 'healthy' ? soonest([readyAt(input)]) : null)
  }
  if (!rules.auto) return settle(null, soonest(healthy.map(readyAt)))

  /** The healthy inputs that come before this one in the order, and when each may return. */
  const returnsTo = (input: InputHealth): { readonly id: string; readonly atMs: number }[] => {
    const { return_after_ms } = rules
    if (return_after_ms === null) return []
    const better = inputs.slice(0, inputs.indexOf(input)).filter(({ state }) => state === 'healthy')
    return better.map((one) => ({
      id: one.id,
      atMs: Math.max(one.sinceMs + return_after_ms, readyAt(one)),
    }))
  }
  const best = before?.state === 'healthy' ? before : (byId(resumed) ?? inputs.find(ready))
  if (best) {
    const better = returnsTo(best)
    const returning = better.find(({ atMs }) => atMs <= nowMs)
    return settle(returning?.id ?? best.id, soonest(better.map(({ atMs }) => atMs)), best === before)
  }
  const stands = before?.state === 'frozen' ? before : inputs.find((input) => input.state === 'frozen')
  return settle(stands?.id ?? null, soonest(healthy.map(readyAt)))
}
