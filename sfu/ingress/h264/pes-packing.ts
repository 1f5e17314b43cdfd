/** A stream that once spread a picture over several PES packets is trusted after this many with one each... */
const CLEAN_PACKETS = 150
/** ...and after this many keyframes among them: the largest pictures are spread first. */
const CLEAN_KEYFRAMES = 3
/** Each broken trust doubles these numbers, up to this factor. */
const MAX_FACTOR = 16

/**
 * Learns how an encoder packs its pictures. Most encoders put each picture into one PES packet, and then a picture can
 * leave as soon as its packet is complete. Others make a packet for each slice, or for each few thousand bytes: there
 * the end of a picture shows only where the next one begins. ISO/IEC 13818-1 allows both.
 */
export class PesPacking {
  #whole = false
  #spread = false
  #packets = 0
  #keyframes = 0
  #factor = 1

  /** Whether pictures come whole: the end of a PES packet is the end of a picture. */
  get whole(): boolean {
    return this.#whole
  }

  /** A PES packet began with a new picture. @param keyframe one began since the last packet, or in this packet */
  began(keyframe: boolean): void {
    this.#packets += 1
    if (keyframe) this.#keyframes += 1
    // A fresh stream proves itself by its first keyframe: a spread picture shows at its second packet.
    const enough = this.#spread ? this.#factor : 0
    this.#whole ||=
      this.#packets > enough * CLEAN_PACKETS && this.#keyframes >= Math.max(1, enough * CLEAN_KEYFRAMES)
  }

  /** A PES packet began inside a picture. */
  continued(): void {
    if (this.#whole && this.#spread) this.#factor = Math.min(MAX_FACTOR, this.#factor * 2)
    this.#whole = false
    this.#spread = true
    this.#packets = 0
    this.#keyframes = 0
  }

  /** Another encoder. */
  restart(): void {
    this.#whole = false
    this.#spread = false
    this.#packets = 0
    this.#keyframes = 0
    this.#factor = 1
  }
}
