/** Sequence numbers further apart than this belong to different stretches of an input. */
const LATE_PACKETS = 4096

/**
 * The numbers of one SSRC of a switched lane. Packets of an input keep their distances, so that loss and late
 * repairs of the input stay what they are; a new input follows the last packet. Pure: no clock, no I/O.
 */
export class SwitchedTrack {
  /** Sequence number and timestamp of the packet that {@link place} placed. */
  sequence = 0
  timestamp = 0
  /** The next sequence number. */
  #next: number
  #ended = true
  #shift = 0
  #line = 0
  /** The input's first number of this stretch; earlier packets come too late. -1 once the numbers have moved on. */
  #floor = -1
  #lastTimestamp: number
  #hasLeft: boolean

  /**
   * @param next the first sequence number
   * @param lastTimestamp of what a predecessor sent; null where nothing was sent, or nobody asks {@link isNew}
   */
  constructor(next: number, lastTimestamp: number | null = null) {
    this.#next = next & 0xffff
    this.#lastTimestamp = lastTimestamp ?? 0
    this.#hasLeft = lastTimestamp !== null
  }

  /** The number after the last packet. */
  get next(): number {
    return this.#next
  }

  /** Packets have left whose numbers nobody knows: goes on from here. */
  skipTo(next: number): void {
    this.#next = next & 0xffff
  }

  /**
   * From this packet of a new input on.
   * @param sequence and the packets after it follow the last packet; a picture that was left unfinished looks unfinished
   * @param line what the input's timestamps lack to the lane's
   */
  join(sequence: number, line: number): void {
    if (!this.#ended) this.#next = (this.#next + 1) & 0xffff
    this.#shift = (this.#next - sequence) & 0xffff
    this.#line = line
    this.#floor = sequence
  }

  /** Leaves out a number, so that receivers see that something is missing. */
  skip(): void {
    this.#next = (this.#next + 1) & 0xffff
  }

  /**
   * Gives a packet of the present input its place.
   * @returns false for a packet from before the input was joined
   */
  place(sequence: number, timestamp: number, ends: boolean): boolean {
    if (this.#floor >= 0) {
      const since = (sequence - this.#floor) & 0xffff
      if (since >= 0x8000) return false
      if (since > LATE_PACKETS) this.#floor = -1
    }
    this.sequence = (sequence + this.#shift) & 0xffff
    this.timestamp = (timestamp + this.#line) >>> 0
    this.#note(ends)
    return true
  }

  /**
   * A whole unit that is made here follows the last packet.
   * @returns its first sequence number; tell with {@link skipTo} where it ended
   */
  begin(timestamp: number): number {
    if (!this.#ended) this.skip()
    this.#ended = true
    this.#lastTimestamp = timestamp >>> 0
    this.#hasLeft = true
    return this.#next
  }

  /** A packet of a unit that leaves whole follows the last packet. @param ends whether it is the unit's last */
  append(timestamp: number, ends: boolean): void {
    this.sequence = this.#next
    this.timestamp = timestamp
    this.#note(ends)
  }

  /** Whether a timestamp comes after everything that left. */
  isNew(timestamp: number): boolean {
    return !this.#hasLeft || ((timestamp - this.#lastTimestamp) | 0) > 0
  }

  #note(ends: boolean): void {
    if (((this.sequence - this.#next) & 0xffff) >= 0x8000) return
    this.#next = (this.sequence + 1) & 0xffff
    this.#ended = ends
    this.#lastTimestamp = this.timestamp
    this.#hasLeft = true
  }
}
