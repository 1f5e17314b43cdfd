import type { SwitchRules } from '../../common/wire/switched-inputs.ts'
import type { InputSpec } from './input-feeds.ts'

/** What a switched stream begins with. */
export interface SwitchedOptions {
  readonly inputs: readonly InputSpec[]
  readonly rules: SwitchRules
  /** What was taken by hand before a restart of the hub: it is on air again as soon as it is there. */
  readonly resume?: string | null
}
