import type { InputTrack, SwitchInput } from './switch-input.ts'

/** An output that found no keyframe of the new input this long after the first output did gets nothing more of the old one, ms. */
const LET_GO_MS = 2000

interface Route {
  /** What feeds the output now; null for the slate, or nothing. */
  from: InputTrack | null
  /** What will feed it from its next keyframe on; null where nothing is to change. */
  next: InputTrack | null
}

/**
 * Which track of which input feeds each rendition of the lane. An output changes at a keyframe of the new track; until
 * then it gets the old one. An input with fewer renditions than the lane feeds the upper outputs with its largest.
 */
export class LaneRoutes {
  #routes: Route[] = []
  #input: SwitchInput | null = null
  /** Since when outputs may get nothing more of the old input, by `machineMs`; NaN where no change is under way. */
  #changingMs = Number.NaN

  /** When the input was last aimed at, by `machineMs`. */
  #aimedMs = Number.NaN

  resize(outputs: number): void {
    while (this.#routes.length < outputs) this.#routes.push({ from: null, next: null })
    this.#routes.length = outputs
  }

  /** The input that feeds, or is about to. */
  get input(): SwitchInput | null {
    return this.#input
  }

  /** Whether the input feeds any output by now. Before, what is on air stays. */
  get begun(): boolean {
    return this.#routes.some(({ from }) => from !== null && from.input === this.#input)
  }

  /** Whether the input has sent no keyframe for so long that a picture that stands meanwhile is no picture any more. */
  isLate(nowMs: number): boolean {
    return this.#input !== null && !this.begun && nowMs - this.#aimedMs > LET_GO_MS
  }

  /** Whether any output still waits for its keyframe. */
  get waits(): boolean {
    return this.#routes.some(({ next }) => next !== null)
  }

  /** Feeds all outputs from this input from its next keyframes on, or, as its tracks have changed, goes on. */
  aim(input: SwitchInput, nowMs: number): void {
    this.#input = input
    this.#changingMs = nowMs
    this.#aimedMs = nowMs
    input.fit(this.#routes.length, nowMs)
    this.refit()
  }

  /**
   * An output that waits for a keyframe gets the new track's pictures already: they are those of the old one.
   * @returns false where it does not wait
   */
  adopt(output: number): boolean {
    const route = this.#routes[output]
    if (!route?.next) return false
    route.from = route.next
    route.next = null
    return true
  }

  /** The input begins anew at its next keyframes: what leaves in its name is a copy, and its own pictures are others. */
  beginAgain(): void {
    for (const route of this.#routes) route.next ??= route.from
  }

  /** Other renditions of the input feed the outputs from now on: each at its next keyframe. */
  refit(): void {
    for (const [index, route] of this.#routes.entries()) {
      const track = this.#input?.videoFor(index) ?? null
      route.next = track === route.from ? null : track
    }
  }

  /** The outputs get nothing more of any input: the slate begins. */
  clear(): void {
    this.#input = null
    this.#changingMs = Number.NaN
    for (const route of this.#routes) {
      route.from = null
      route.next = null
    }
  }

  /** Tracks whose keyframe is awaited. */
  *awaited(): Iterable<InputTrack> {
    for (const { next } of this.#routes) if (next) yield next
  }

  /** Whether an output changes to the track with this packet. */
  begins(output: number, track: InputTrack, keyframe: boolean): boolean {
    const route = this.#routes[output]
    if (!keyframe || route?.next !== track) return false
    route.from = track
    route.next = null
    return true
  }

  /**
   * Takes the old input from the outputs that wait for too long: their renditions are not sent by the new input.
   * @returns these outputs
   */
  letGo(nowMs: number): number[] {
    if (!this.begun && !Number.isNaN(this.#changingMs)) this.#changingMs = nowMs
    if (!(nowMs - this.#changingMs > LET_GO_MS)) return []
    this.#changingMs = Number.NaN
    return this.#routes.flatMap((route, output) => {
      if (!route.next || route.from?.input === route.next.input) return []
      route.from = null
      return [output]
    })
  }
}
