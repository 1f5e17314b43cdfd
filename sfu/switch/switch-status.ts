import type { OnAir } from '../../common/wire/switch-ipc.ts'
import type { InputState } from '../../common/wire/switched-inputs.ts'

/** What a process tells of an input. */
export interface InputHealthTold {
  readonly state: InputState
  readonly reason?: string | undefined
}

export interface InputStatus extends InputHealthTold {
  readonly id: string
  /** Layers of its pictures. */
  readonly renditions: number
}

export interface SwitchStatus {
  /** The input on air, or `slate`; null before the first picture. */
  readonly on_air: string | null
  readonly since_unix_ms: number | null
  /** The input of the sound. */
  readonly audio: string | null
  readonly preview: string | null
  readonly switches: number
  /** Copies of the same pictures that are merged into what is on air. */
  readonly merged: readonly string[]
  readonly inputs: readonly InputStatus[]
}

/** One change of what is on air. */
export interface Switched extends Omit<OnAir, 'input'> {
  readonly from: string | null
  readonly to: string
}

/** Hears of a switched stream. None of these may throw. */
export interface SwitchObserver {
  switched(event: Switched): void
}
