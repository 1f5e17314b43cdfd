import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import { TOP_LAYER } from '../layer-claims.ts'
import type { InputFeed } from './input-feed.ts'

/**
 * Which layers the inputs' publishers are asked for. What is on air or a copy of it, armed or being taken is asked for all
 * layers that anybody wants of the switched stream. The others send their lowest.
 */
export class InputClaims {
  readonly #feeds: () => readonly InputFeed[]
  readonly #layers: () => number
  /** Inputs of takes under way, with how many takes. */
  readonly #taking = new Map<string, number>()
  #demand: LayerDemand | null = null
  #onAir: string | null = null
  #preview: string | null = null
  #merged: readonly string[] = []

  /** @param layers number of the lane's layers; 0 while nobody knows */
  constructor(feeds: () => readonly InputFeed[], layers: () => number) {
    this.#feeds = feeds
    this.#layers = layers
  }

  /** The armed input. */
  get preview(): string | null {
    return this.#preview
  }

  set preview(id: string | null) {
    this.#preview = id
    this.apply()
  }

  set onAir(id: string | null) {
    this.#onAir = id
    this.apply()
  }

  /** The copies of what is on air. */
  get merged(): readonly string[] {
    return this.#merged
  }

  set merged(ids: readonly string[]) {
    this.#merged = ids
    this.apply()
  }

  /** What viewers of the switched stream want. */
  set demand(demand: LayerDemand) {
    this.#demand = demand
    this.apply()
  }

  /** An input is being taken, until the result is disposed of. */
  taking(id: string): Disposable {
    this.#count(id, 1)
    return { [Symbol.dispose]: () => this.#count(id, -1) }
  }

  /** Call when the inputs have changed. */
  apply(): void {
    const wanted = Math.max(this.#demand ? this.#demand.video.lastIndexOf(true) : TOP_LAYER, 0)
    for (const feed of this.#feeds()) {
      const { id } = feed
      const isShown = id === this.#onAir || this.#merged.includes(id)
      // Of more layers than the lane has, the largest feed the lane.
      const layers = this.#layers()
      const surplus = layers === 0 ? 0 : Math.max(feed.renditions - layers, 0)
      const layer = Math.min(wanted + surplus, TOP_LAYER)
      feed.claim(isShown || id === this.#preview || this.#taking.has(id) ? layer : 0)
    }
  }

  #count(id: string, by: number): void {
    const count = (this.#taking.get(id) ?? 0) + by
    if (count > 0) this.#taking.set(id, count)
    else this.#taking.delete(id)
    this.apply()
  }
}
