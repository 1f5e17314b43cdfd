/** Largest RTP packet that is kept; larger ones are left out. */
const PACKET_BYTES = 1500
/** Packets that wait at once: a second of 40 Mb/s, or a keyframe of 4 MB. */
const PACKETS = 4096
const UNITS = 256
const HANDLES = 2 ** 30

/**
 * Keeps the packets of an input's access units until their turn to leave. Memory is laid out once; where it is full, the
 * newest unit is not kept. What waits begins at the start of the memory again whenever nothing waits, so that memory which
 * only large pictures or long waits need is not touched before.
 */
export class UnitStore {
  readonly #memory = Buffer.allocUnsafe(PACKETS * PACKET_BYTES)
  readonly #lengths = new Uint16Array(PACKETS)
  /** Number of its first packet and of the one after its last, for each unit; packets are counted without end. */
  readonly #firsts = new Float64Array(UNITS)
  readonly #ends = new Float64Array(UNITS)
  readonly #released = new Uint8Array(UNITS)
  #tail = 0
  #head = 0
  #oldestUnit = 0
  #nextUnit = 0
  /** The first packet of the open unit. */
  #open = 0
  #failed = false

  /** Begins a unit. One that was not ended is given up. */
  begin(): void {
    if (this.#tail === this.#open) {
      this.#tail = 0
      this.#open = 0
    }
    this.#head = this.#open
    this.#failed = false
  }

  /** Adds a packet to the open unit. */
  add(packet: Uint8Array): void {
    if (this.#head - this.#tail === PACKETS || packet.length > PACKET_BYTES) this.#failed = true
    if (this.#failed) return
    const slot = this.#head % PACKETS
    this.#memory.set(packet, slot * PACKET_BYTES)
    this.#lengths[slot] = packet.length
    this.#head += 1
  }

  /** Ends the open unit. @returns its handle; -1 where it could not be kept */
  end(): number {
    const unit = this.#nextUnit
    if (this.#failed || unit - this.#oldestUnit === UNITS) {
      this.begin()
      return -1
    }
    this.#firsts[unit % UNITS] = this.#open
    this.#ends[unit % UNITS] = this.#head
    this.#released[unit % UNITS] = 0
    this.#open = this.#head
    this.#nextUnit += 1
    return unit % HANDLES
  }

  /** Number of packets of a unit. */
  packets(handle: number): number {
    return this.#ends[handle % UNITS]! - this.#firsts[handle % UNITS]!
  }

  /** A packet of a unit, as long as the unit is not released. */
  packet(handle: number, index: number): Buffer {
    const slot = (this.#firsts[handle % UNITS]! + index) % PACKETS
    return this.#memory.subarray(slot * PACKET_BYTES, slot * PACKET_BYTES + this.#lengths[slot]!)
  }

  /** The unit's bytes are needed no more. */
  release(handle: number): void {
    this.#released[handle % UNITS] = 1
    while (this.#oldestUnit < this.#nextUnit && this.#released[this.#oldestUnit % UNITS] === 1) {
      this.#tail = this.#ends[this.#oldestUnit % UNITS]!
      this.#oldestUnit += 1
    }
  }
}
