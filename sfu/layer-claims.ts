import type { LayerDemand } from '../common/wire/publisher-protocol.ts'

/** What nobody wants any more is still asked for so long, ms: who left may come back, and tiles change. */
const OFF_AFTER_MS = 8_000
/** Spatial layers there can be. */
const LAYERS = 4

export interface ClaimedLayers {
  /** The highest spatial layer this viewer would take; null for no picture now. Those below it are its way down. */
  readonly spatial: number | null
  readonly audio: boolean
}

/** What one viewer asks for. Disposing of it gives it up. */
export interface LayerClaim extends Disposable {
  want(layers: ClaimedLayers): void
}

const EVERYTHING: ClaimedLayers = { spatial: LAYERS - 1, audio: true }

/**
 * Which layers of a stream anybody wants, from all its viewers' claims: on at once, off after a while. The lowest
 * layer is always asked for, so that who joins has a picture at once; without any viewer sound is, too.
 */
export class LayerClaims implements Disposable {
  readonly #claims = new Map<object, ClaimedLayers>()
  readonly #watching: () => number
  readonly #demanded: (demand: LayerDemand) => void
  #off: NodeJS.Timeout | undefined
  #demand: LayerDemand = { video: new Array(LAYERS).fill(true), audio: true }

  /** @param watching how many watch; those of them without a claim want everything */
  constructor(watching: () => number, demanded: (demand: LayerDemand) => void) {
    this.#watching = watching
    this.#demanded = demanded
  }

  /** A viewer more, which wants everything until it says what. */
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

  /** A claim, or how many watch, is another now. */
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
