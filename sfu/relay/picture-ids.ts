/** Bits of the first byte of a VP8 payload descriptor, and of its extension (RFC 7741 section 4.2). */
const VP8 = { extended: 0x80, picture: 0x80, baseLayer: 0x40 } as const
/** Bits of the first byte of a VP9 payload descriptor (RFC 9628 section 4.2). */
const VP9 = { picture: 0x80, layers: 0x20, flexible: 0x10 } as const
/** The PictureID has 15 bits instead of 7. */
const LONG = 0x80

/**
 * The two counters of a VP8 or VP9 payload that go from picture to picture: PictureID and TL0PICIDX. Finds them in a
 * packet, reads them, and writes others in their place. One object serves all packets.
 */
export class PictureIds {
  #pictureAt = -1
  #long = false
  #baseLayerAt = -1

  /**
   * Finds the counters in the payload `packet[at..)`.
   * @returns false where there is no PictureID
   */
  find(codec: 'vp8' | 'vp9', packet: Uint8Array, at: number): boolean {
    const first = packet[at] ?? 0
    this.#baseLayerAt = -1
    if (codec === 'vp8') {
      const extension = (first & VP8.extended) === 0 ? 0 : (packet[at + 1] ?? 0)
      if ((extension & VP8.picture) === 0) return false
      const next = this.#picture(packet, at + 2)
      if ((extension & VP8.baseLayer) !== 0) this.#baseLayerAt = next
    } else {
      if ((first & VP9.picture) === 0) return false
      const next = this.#picture(packet, at + 1)
      if ((first & VP9.layers) !== 0 && (first & VP9.flexible) === 0) this.#baseLayerAt = next + 1
    }
    return this.#baseLayerAt < packet.length && this.#pictureAt + 1 < packet.length
  }

  /** Numbers that the PictureID has: 2^7 or 2^15. */
  get modulus(): number {
    return this.#long ? 0x8000 : 0x80
  }

  picture(packet: Uint8Array): number {
    const at = this.#pictureAt
    return this.#long ? ((packet[at]! & 0x7f) << 8) | packet[at + 1]! : packet[at]! & 0x7f
  }

  /** 0 where there is no TL0PICIDX. */
  baseLayer(packet: Uint8Array): number {
    return this.#baseLayerAt < 0 ? 0 : packet[this.#baseLayerAt]!
  }

  write(packet: Uint8Array, picture: number, baseLayer: number): void {
    const at = this.#pictureAt
    if (this.#long) {
      packet[at] = LONG | ((picture >> 8) & 0x7f)
      packet[at + 1] = picture & 0xff
    } else packet[at] = picture & 0x7f
    if (this.#baseLayerAt >= 0) packet[this.#baseLayerAt] = baseLayer & 0xff
  }

  #picture(packet: Uint8Array, at: number): number {
    this.#pictureAt = at
    this.#long = ((packet[at] ?? 0) & LONG) !== 0
    return at + (this.#long ? 2 : 1)
  }
}
