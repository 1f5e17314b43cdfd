/** FNV-1a, 32 bits. */
const BASIS = 0x811c_9dc5
const PRIME = 0x0100_0193
/** NAL unit types of RFC 6184. */
const STAP_A = 24
const FU_A = 28
const FU_START = 0x80

/**
 * Marks what an access unit contains, in 32 bits. H.264 is marked by its NAL units, so that it does not matter how they
 * were cut into packets (RFC 6184, packetization mode 1).
 */
export class UnitPrint {
  #hash = BASIS

  get value(): number {
    return this.#hash >>> 0
  }

  /** Begins another unit. */
  clear(): void {
    this.#hash = BASIS
  }

  /** Adds the payload `bytes[from..)` of the unit's next packet of H.264. */
  addH264(bytes: Buffer, from: number): void {
    const type = bytes[from]! & 0x1f
    if (type === STAP_A) {
      for (let at = from + 1; at + 2 < bytes.length; ) {
        const end = Math.min(at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!), bytes.length)
        this.add(bytes, at + 2, end)
        at = end
      }
    } else if (type === FU_A && from + 2 <= bytes.length) {
      const header = bytes[from + 1]!
      if ((header & FU_START) !== 0) this.#byte((bytes[from]! & 0xe0) | (header & 0x1f))
      this.add(bytes, from + 2, bytes.length)
    } else this.add(bytes, from, bytes.length)
  }

  /** Adds `bytes[from..to)`. */
  add(bytes: Buffer, from: number, to: number): void {
    let hash = this.#hash
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, PRIME)
    this.#hash = hash
  }

  #byte(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, PRIME)
  }
}
