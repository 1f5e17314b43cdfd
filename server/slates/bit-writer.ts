/** Writes an RBSP bit by bit (ITU-T H.264 section 7.2). */
export class BitWriter {
  #bytes = new Uint8Array(4096)
  #length = 0
  /** Bits that make no byte yet, and their number. */
  #open = 0
  #count = 0

  /** @param count 1 to 16 */
  bits(value: number, count: number): void {
    this.#open = (this.#open << count) | value
    this.#count += count
    while (this.#count >= 8) {
      this.#count -= 8
      this.#push(this.#open >> this.#count)
      this.#open &= (1 << this.#count) - 1
    }
  }

  /** ue(v), section 9.1. @param value 0 to 254 */
  unsigned(value: number): void {
    const size = 31 - Math.clz32(value + 1)
    this.bits(value + 1, 2 * size + 1)
  }

  /** se(v), section 9.1.1. @param value -127 to 127 */
  signed(value: number): void {
    this.unsigned(value > 0 ? 2 * value - 1 : -2 * value)
  }

  /** Zero bits to the next byte. */
  align(): void {
    if (this.#count > 0) this.bits(0, 8 - this.#count)
  }

  /** Whole bytes, only where the writer is aligned. */
  fill(value: number, count: number): void {
    for (let index = 0; index < count; index += 1) this.#push(value)
  }

  /** Ends with rbsp_trailing_bits, section 7.3.2.11. */
  end(): Uint8Array {
    this.bits(1, 1)
    this.align()
    return this.#bytes.subarray(0, this.#length)
  }

  #push(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(this.#length * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes[this.#length] = byte
    this.#length += 1
  }
}
