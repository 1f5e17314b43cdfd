import type { RtpPacket } from './rtp-packet.ts'

/** A picture of at most so many bytes says that nothing has changed: slice headers, and macroblocks that are skipped. */
const EMPTY_BYTES = 160

/**
 * Tells a frozen picture: an encoder that gets the same picture again sends next to no bits, and a sender that repeats
 * a recording sends the same bits. Pure.
 */
export class PictureChange {
  #bytes = 0
  #print = 0
  #lastPrint = 0
  #changedMs: number | null = null

  /** When a picture last differed from the picture before; null before the first picture. */
  get changedMs(): number | null {
    return this.#changedMs
  }

  /** @param begins whether this packet begins a picture */
  note({ bytes, payloadAt }: RtpPacket, begins: boolean, nowMs: number): void {
    if (begins) this.#end(nowMs)
    const { length } = bytes
    this.#bytes += length - payloadAt
    // The last bytes of a packet are coefficients, which differ between any two pictures of a camera.
    const tail = length - payloadAt >= 4 ? bytes.readInt32BE(length - 4) : 0
    this.#print = (Math.imul(this.#print ^ tail, 0x0100_0193) ^ length) | 0
  }

  #end(nowMs: number): void {
    const empty = this.#bytes <= EMPTY_BYTES
    if (this.#changedMs === null || (!empty && this.#print !== this.#lastPrint)) this.#changedMs = nowMs
    if (!empty) this.#lastPrint = this.#print
    this.#bytes = 0
    this.#print = 0
  }
}
