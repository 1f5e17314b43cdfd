/**
 * Reads the RBSP of a NAL unit bit by bit, leaving out emulation prevention bytes (ITU-T H.264 section 7.3.1). Past the
 * end it returns zeros and sets `overrun`, so that a parser needs one check at its end.
 */
export class BitReader {
  overrun = false
  #data: Uint8Array
  #at: number
  #end: number
  #bit = 0
  #zeros = 0

  constructor(data: Uint8Array, from: number, end: number) {
    this.#data = data
    this.#at = from
    this.#end = end
  }

  /** Starts again on other bytes. */
  open(data: Uint8Array, from: number, end: number): void {
    this.#data = data
    this.#at = from
    this.#end = end
    this.#bit = 0
    this.#zeros = 0
    this.overrun = false
  }

  bit(): number {
    if (this.#at >= this.#end) {
      this.overrun = true
      return 0
    }
    const byte = this.#data[this.#at]!
    const value = (byte >> (7 - this.#bit)) & 1
    this.#bit += 1
    if (this.#bit === 8) this.#nextByte(byte)
    return value
  }

  /** @param count 0 to 32 */
  bits(count: number): number {
    let value = 0
    for (let left = count; left > 0; left--) value = value * 2 + this.bit()
    return value
  }

  flag(): boolean {
    return this.bit() === 1
  }

  /** ue(v), section 9.1; a code that no syntax element needs counts as overrun. */
  unsigned(): number {
    let zeros = 0
    while (this.bit() === 0) {
      zeros += 1
      if (zeros > 32 || this.overrun) {
        this.overrun = true
        return 0
      }
    }
    return 2 ** zeros - 1 + this.bits(zeros)
  }

  /** se(v), section 9.1.1. */
  signed(): number {
    const code = this.unsigned()
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2
  }

  #nextByte(byte: number): void {
    this.#bit = 0
    this.#at += 1
    this.#zeros = byte === 0 ? this.#zeros + 1 : 0
    if (this.#zeros >= 2 && this.#data[this.#at] === 3) {
      this.#at += 1
      this.#zeros = 0
    }
  }
}
