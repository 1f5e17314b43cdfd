/*
 * MPEG-TS on its way into the sender process: each write is a frame, because what belongs together must leave together
 * and a pipe keeps no boundaries. A frame is its length (four bytes, big endian) and that many bytes.
 */

/** Most bytes of a frame: the largest keyframe of 200 Mb/s is smaller. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024
const HEADER_BYTES = 4

/** What stands before a frame of so many bytes. */
export function frameHeader(bytes: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header.writeUInt32BE(bytes)
  return header
}

/** Puts frames together again. */
export class FrameReader {
  readonly #heard: (frame: Buffer) => void
  #rest: Buffer[] = []
  #have = 0
  /** Bytes from which something can be done with what has come. */
  #need = HEADER_BYTES

  /** @param heard gets each whole frame; the buffer is the listener's until the call returns */
  constructor(heard: (frame: Buffer) => void) {
    this.#heard = heard
  }

  /**
   * Takes the next bytes, cut anywhere.
   * @throws for a frame without bytes or with more than `MAX_FRAME_BYTES`: the stream can't be read any more
   */
  push(chunk: Buffer): void {
    this.#rest.push(chunk)
    this.#have += chunk.length
    if (this.#have < this.#need) return
    const bytes = this.#rest.length === 1 ? chunk : Buffer.concat(this.#rest)
    let at = 0
    this.#need = HEADER_BYTES
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(at)
      if (length === 0 || length > MAX_FRAME_BYTES)
        throw new Error(`the media has a frame of ${length} bytes`)
      if (bytes.length - at < HEADER_BYTES + length) {
        this.#need = HEADER_BYTES + length
        break
      }
      this.#heard(bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length))
      at += HEADER_BYTES + length
    }
    this.#have = bytes.length - at
    this.#rest = this.#have > 0 ? [bytes.subarray(at)] : []
  }
}
