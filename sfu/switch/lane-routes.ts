import type { InputTrack, SwitchInput } from './switch-input.ts'

/** An output that found no keyframe of the new input within this gets nothing more of the old input, ms. */
const LET_GO_MS = 2000

interface Route {
  /** What feeds the output now; null for the slate, or nothing. */
  from: InputTrack | null
  /** What will feed it from its next keyframe on; null where nothing is to change. */
  next: InputTrack | null
}

/** What an arriving packet means for an output. */
export type Way = 'other' | 'goes_on' | 'begins'

/**
 * Which track of which input feeds each rendition of the lane. An output changes at a keyframe of the new track; until
 * then it gets the old one. An input with fewer renditions than the lane feeds the upper outputs with its largest.
 */
export class LaneRoutes {
  #routes: Route[] = []
  #input: SwitchInput | null = null
  /** When the present change began, by `machineMs`; NaN where none is under way. */
  #changingMs = Number.NaN

  resize(outputs: number): void {
    while (this.#routes.length < outputs) this.#routes.push({ from: null, next: null })
    this.#routes.length = outputs
  }

  /** The input that feeds, or is about to. */
  get input(): SwitchInput | null {
    return this.#input
  }

  /** What feeds an output now. */
  feeding(output: number): InputTrack | null {
    return this.#routes[output]?.from ?? null
  }

  /** Whether any output still waits for its keyframe. */
  get waits(): boolean {
    return this.#routes.some(({ next }) => next !== null)
  }

  /** Feeds all outputs from this input from its next keyframes on, or, as its tracks have changed, goes on. */
  aim(input: SwitchInput, nowMs: number): void {
    this.#input = input
    this.#changingMs = nowMs
    for (const [index, route] of this.#routes.entries()) {
      const track = input.video[Math.min(index, input.video.length - 1)] ?? null
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

  /** What a packet of `track` is for an output. `begins`: the output changes to the track with this packet. */
  way(output: number, track: InputTrack, keyframe: boolean): Way {
    const route = this.#routes[output]
    if (!route) return 'other'
    if (keyframe && route.next === track) {
      route.from = track
      route.next = null
      return 'begins'
    }
    return route.from === track ? 'goes_on' : 'other'
  }

  /** Takes the old input from the outputs that wait for too long: their renditions are not sent by the new input. */
  letGo(nowMs: number): void {
    if (!(nowMs - this.#changingMs > LET_GO_MS)) return
    this.#changingMs = Number.NaN
    for (const route of this.#routes)
      if (route.next && route.from?.input !== route.next.input) route.from = null
  }
}
