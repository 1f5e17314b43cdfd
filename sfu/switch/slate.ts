import { clearNals, closeNal, createNalIndex, scanNals } from '../../common/h264/annex-b.ts'

/** Access unit delimiters and filler say nothing over RTP. */
const LEFT_OUT = new Set([9, 12])

/** One access unit of a slate, and where its NAL units are. */
export interface SlateUnit {
  readonly bytes: Buffer
  readonly bounds: readonly (readonly [number, number])[]
}

/**
 * The pictures of a slate: for each rendition a few access units that are IDRs, played in turn. Two IDRs in a row must
 * have different `idr_pic_id` (H.264 section 7.4.3), so one alone would not do.
 */
export class Slate {
  readonly #renditions = new Map<number, SlateUnit[]>()
  #turn = 0

  /** Adds an access unit, Annex B. The first (`index` 0) replaces what the rendition had. */
  add(rendition: number, index: number, bytes: Buffer): void {
    const units = index === 0 ? [] : (this.#renditions.get(rendition) ?? [])
    units[index] = { bytes, bounds: boundsOf(bytes) }
    this.#renditions.set(rendition, units)
  }

  /** The next outage has another slate. */
  clear(): void {
    this.#renditions.clear()
  }

  get empty(): boolean {
    return this.#renditions.size === 0
  }

  /** The next picture's turn. */
  advance(): void {
    this.#turn += 1
  }

  /** The picture whose turn it is; a lower rendition's where this one has none. */
  unit(rendition: number): SlateUnit | null {
    for (let layer = rendition; layer >= 0; layer -= 1) {
      const units = this.#renditions.get(layer)
      if (units) return units[this.#turn % units.length] ?? null
    }
    return null
  }
}

function boundsOf(bytes: Buffer): [number, number][] {
  const index = createNalIndex()
  clearNals(index, 0)
  scanNals(bytes, bytes.length, index)
  closeNal(bytes, bytes.length, index)
  return Array.from({ length: index.count }, (_, nal): [number, number] => [
    index.starts[nal]!,
    index.ends[nal]!,
  ]).filter(([from]) => !LEFT_OUT.has(bytes[from]! & 0x1f))
}
