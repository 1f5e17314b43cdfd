import type { SeededRandom } from '../fuzz/seeded-random.ts'
import type { SoakRig } from './soak-rig.ts'

/** What an action is given. */
export interface Acting {
  readonly rig: SoakRig
  readonly random: SeededRandom
  /** Aborts when the soak is over. */
  readonly signal: AbortSignal
  /** One of several lanes: what only one may use at a time is told apart by it. */
  readonly lane: number
}

/** One thing that happens to a hub: it begins, goes on for some seconds, and leaves nothing of its own behind. */
export interface Action {
  readonly name: string
  /** How often it is chosen, against the others. */
  readonly weight: number
  readonly run: (acting: Acting) => Promise<void>
}

export interface ActionCount {
  readonly done: number
  /** The action was refused, or its target was killed meanwhile. */
  readonly failed: number
  readonly lastError: string | null
}

/** Milliseconds from `least` to `most`. */
export function someMs(random: SeededRandom, least: number, most: number): number {
  return least + random.below(most - least + 1)
}

export function oneOf<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!
}
