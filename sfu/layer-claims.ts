import type { LayerDemand } from '../common/wire/publisher-protocol.ts'

/** A layer that nobody wants is still asked of the publisher for this long, ms: viewers come back, and tiles change. */
const OFF_AFTER_MS = 8_000
/** Most spatial layers. */
const LAYERS = 4

export interface ClaimedLayers {
  /** The highest spatial layer that this subscriber would take; null for no picture now. Lower ones are its fallback. */
  readonly spatial: number | null
  readonly audio: boolean
}

/** The wish of one subscriber. Disposing of it ends the wish. */
export interface LayerClaim extends Disposable {
  want(layers: ClaimedLayers): void
}

/** The highest spatial layer there can be. */
export const TOP_LAYER = LAYERS - 1

/**
 * Which layers of a stream anybody wants, by the claims of all subscribers. A claimed layer is on at once. A layer without
 * claims is off after a while. A subscriber without a claim wants nothing. The lowest layer is always on, so that a new
 * viewer has a picture at once. While there are no claims, sound is on too.
 */
export class LayerClaims implements Disposable {
  readonly #claims = new Map<object, ClaimedLayers>()
  readonly #demanded: (demand: LayerDemand) => void
  #off: NodeJS.Timeout | undefined
  #demand: LayerDemand = { video: new Array(LAYERS).fill(true), audio: true }

  constructor(demanded: (demand: LayerDemand) => void) {
    this.#demanded = demanded
  }

  /** Adds a subscriber, with what it wants until it says otherwise. */
  add(first: ClaimedLayers): LayerClaim {
    const key = {}
    this.#claims.set(key, first)
    this.changed()
    return {
      want: (layers) => {
        const before = this.#claims.get(key)
        if (!before || (before.spatial === layers.spatial && before.audio === layers.audio)) return
        this.#claims.set(key, layers)
        this.changed()
      },
      [Symbol.dispose]: () => {
        if (this.#claims.delete(key)) this.changed()
      },
    }
  }

  /** Tells what is wanted now, if that has changed. */
  changed(): void {
    const wanted = this.#wanted()
    const { video, audio } = this.#demand
    const more = { video: wanted.video.map((on, layer) => on || video[layer]!), audio: wanted.audio || audio }
    this.#tell(more)
    const less = audio !== wanted.audio || more.video.some((on, layer) => on && !wanted.video[layer])
    if (!less) this.#stopTimer()
    else this.#off ??= setTimeout(() => this.#settle(), OFF_AFTER_MS).unref()
  }

  [Symbol.dispose](): void {
    this.#stopTimer()
  }

  #wanted(): LayerDemand {
    const claims = [...this.#claims.values()]
    const highest = claims.reduce((most, { spatial }) => Math.max(most, spatial ?? 0), 0)
    return {
      video: this.#demand.video.map((_, layer) => layer <= highest),
      audio: claims.length === 0 || claims.some(({ audio }) => audio),
    }
  }

  #settle(): void {
    this.#off = undefined
    this.#tell(this.#wanted())
  }

  #tell(demand: LayerDemand): void {
    const same =
      demand.audio === this.#demand.audio && demand.video.every((on, at) => on === this.#demand.video[at])
    if (same) return
    this.#demand = demand
    this.#demanded(demand)
  }

  #stopTimer(): void {
    clearTimeout(this.#off)
    this.#off = undefined
  }
}
