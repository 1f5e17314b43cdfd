/** Most bytes of all slates together. */
const MAX_BYTES = 32 * 1024 * 1024
const MAX_ENTRIES = 500

/** Slates that were made, the one used last kept longest. */
export class SlateCache {
  readonly #entries = new Map<string, readonly Uint8Array[]>()
  #bytes = 0

  get(key: string): readonly Uint8Array[] | undefined {
    const units = this.#entries.get(key)
    if (!units) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, units)
    return units
  }

  add(key: string, units: readonly Uint8Array[]): void {
    this.#drop(key)
    this.#entries.set(key, units)
    this.#bytes += sizeOf(units)
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= MAX_BYTES && this.#entries.size <= MAX_ENTRIES) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    this.#bytes -= sizeOf(this.#entries.get(key) ?? [])
    this.#entries.delete(key)
  }
}

function sizeOf(units: readonly Uint8Array[]): number {
  return units.reduce((sum, { length }) => sum + length, 0)
}
