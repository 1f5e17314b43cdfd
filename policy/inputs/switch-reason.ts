import type { SwitchCause, SwitchRules } from '../../common/wire/switched-inputs.ts'
import type { InputHealth } from './input-health.ts'

/** A switch from one input to another; null stands for the slate. */
export interface Switch {
  readonly from: string | null
  /** How the former input is doing; undefined where it left the list. */
  readonly before: InputHealth | undefined
  readonly to: string | null
  readonly rules: Pick<SwitchRules, 'auto' | 'return_after_ms'>
  readonly nowMs: number
}

/** Why another input is on air, in words for people. */
export function switchReason(cause: SwitchCause, { from, before, to, rules, nowMs }: Switch): string {
  const slate = rules.auto ? 'no other input can be shown' : 'no other is taken by hand, and auto is off'
  const next = to === null ? slate : `${to} takes over`
  const forMs = before ? Math.max(0, Math.round(nowMs - before.sinceMs)) : 0
  switch (cause) {
    case 'first':
      return `${to} is the first input with media`
    case 'back':
      return `${to} has media again`
    case 'taken':
      return `${to} was taken by hand`
    case 'returned':
      return `${to} comes before ${from} and was healthy for ${rules.return_after_ms} ms: it returns`
    case 'silent':
      return `${from} sent nothing for ${forMs} ms: ${next}`
    case 'frozen':
      return `the picture of ${from} did not change for ${forMs} ms: ${next}`
    case 'refused':
      return `${from} is refused (${before?.why ?? "it can't be shown"}): ${next}`
    case 'absent':
      return `${from} is gone: ${next}`
  }
}
