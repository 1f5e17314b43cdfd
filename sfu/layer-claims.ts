import type { LayerDemand } from '../common/wire/publisher-protocol.ts'

/** A layer that nobody wants is still asked of the publisher for this long, ms: viewers come back, and tiles change. */
const OFF_AFTER_MS = 8_000
/** Most spatial layers. */
const LAYERS = 4

export interface ClaimedLayers {
  /** The highest spatial layer that this viewer would take; null for no picture now. Lower ones are its fallback. */
  readonly spatial: number | null
  readonly audio: boolean
}

/** The wish of one viewer. Disposing of it ends the wish. */
export interface LayerClaim extends Disposable {
  want(layers: ClaimedLayers): void
}

const EVERYTHING: ClaimedLayers = { spatial: LAYERS - 1, audio: true }

/**
 * Which layers of a stream anybody wants, by the claims of all viewers. A layer is on at once, and off after a while.
 * The lowest layer is always on, so that a new viewer has a picture at once. Without any viewer sound is on, too.
 */
export class LayerClaims implements Disposable {
  readonly #claims = new Map<object, ClaimedLayers>()
  readonly #watching: () => number
  readonly #demanded: (demand: LayerDemand) => void
  #off: NodeJS.Timeout | undefined
  #demand: LayerDemand = { video: new Array(LAYERS).fill(true), audio: true }

  /** @param watching number of viewers; those without a claim want everything */
  constructor(watching: () => number, demanded: (demand: LayerDemand) => void) {
    this.#watching = watching
    this.#demanded = demanded
  }

  /** Adds a viewer, which wants everything until it says what. */
  add(): LayerClaim {
    const key = {}
    this.#claims.set(key, EVERYTHING)
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

  /** A claim, or the number of viewers, has changed. */
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
    if (this.#watching() > claims.length) claims.push(EVERYTHING)
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
