import {
  CHANNEL_HEADER_BYTES,
  HEADER_BYTES,
  isChannel,
  MAGIC_COOKIE,
  MAX_PACKET,
  padded,
} from './stun-types.ts'

/** Enough to know a frame's length: ChannelData may have no more than this. */
const LENGTH_KNOWN = 4

/**
 * Cuts a stream into STUN messages and ChannelData, RFC 8656, section 12.5. Keeps an unfinished frame, which is never
 * longer than the longest packet.
 */
export class Frames {
  #rest: Buffer | null = null

  /** Whether a frame has begun whose end is missing. */
  get unfinished(): boolean {
    return this.#rest !== null
  }

  /**
   * @param take gets each whole frame, valid only during the call; may be told to stop by `false`
   * @returns whether the stream is one of TURN so far; if not, it can't be read any further
   */
  read(chunk: Buffer, take: (frame: Buffer) => boolean): boolean {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk
    this.#rest = null
    let at = 0
    while (bytes.length - at >= LENGTH_KNOWN) {
      const length = frameBytes(bytes, at)
      if (length === null) return false
      if (bytes.length - at < length) break
      if (!take(bytes.subarray(at, at + length))) return true
      at += length
    }
    if (at === bytes.length) return true
    // A copy, because a few bytes would keep the whole chunk.
    this.#rest = Buffer.from(bytes.subarray(at))
    return true
  }
}

/** Whole length of the frame that begins here, with its padding; null for what is no frame of ours. */
function frameBytes(bytes: Buffer, at: number): number | null {
  const [first, second] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)]
  if (isChannel(first)) {
    const length = CHANNEL_HEADER_BYTES + padded(second)
    return length <= MAX_PACKET ? length : null
  }
  if (first > 0x3fff || second % 4 !== 0 || second > MAX_PACKET - HEADER_BYTES) return null
  if (bytes.length - at >= 8 && bytes.readUInt32BE(at + 4) !== MAGIC_COOKIE) return null
  return HEADER_BYTES + second
}
