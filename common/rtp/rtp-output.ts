const headerBytes = 12

export interface RtpOutputOptions {
  readonly ssrc: number
  readonly payloadType: number
  /** Sequence number of the first packet. */
  readonly sequence: number
  /** Largest packet with header, bytes. */
  readonly maxPacketBytes: number
  /** Packets kept for retransmission. */
  readonly keep: number
  /** Sends one packet. Its bytes stay unchanged until `keep` more packets have been made. */
  readonly send: (packet: Buffer) => void
}

/**
 * One SSRC: writes RTP packets (RFC 3550) straight into a ring of slots, where they stay for retransmission on a
 * generic NACK. Only the view that is handed out is allocated per packet.
 */
export class RtpOutput {
  readonly ssrc: number
  readonly maxPacketBytes: number
  /** The memory of the packets, see {@link begin}. */
  readonly memory: Buffer
  readonly #keep: number
  readonly #lengths: Uint16Array
  readonly #sequences: Int32Array
  readonly #send: (packet: Buffer) => void
  #payloadType: number
  #sequence: number
  #slot = 0
  #at = 0
  #payloadAt = 0
  packets = 0
  /** Payload octets, as sender reports count them. */
  octets = 0
  resent = 0

  constructor(options: RtpOutputOptions) {
    this.ssrc = options.ssrc
    this.maxPacketBytes = options.maxPacketBytes
    this.#payloadType = options.payloadType
    this.#sequence = options.sequence & 0xffff
    this.#keep = options.keep
    this.#send = options.send
    this.memory = Buffer.allocUnsafe(options.keep * options.maxPacketBytes)
    this.#lengths = new Uint16Array(options.keep)
    this.#sequences = new Int32Array(options.keep).fill(-1)
  }

  /** The sequence number of the next packet. */
  get sequence(): number {
    return this.#sequence
  }

  set sequence(value: number) {
    this.#sequence = value & 0xffff
  }

  set payloadType(value: number) {
    this.#payloadType = value
  }

  /** Leaves out a sequence number, so that receivers see that something is missing. */
  skip(): void {
    this.#sequence = (this.#sequence + 1) & 0xffff
  }

  /** Payload bytes that fit into a packet with this extension block. */
  room(extension: Buffer): number {
    return this.maxPacketBytes - headerBytes - extension.length
  }

  /**
   * Starts a packet.
   * @param extension a whole RFC 8285 extension block, or no bytes
   * @returns where in {@link memory} the payload goes, at most {@link room} bytes
   */
  begin(timestamp: number, extension: Buffer): number {
    const memory = this.memory
    const at = this.#slot * this.maxPacketBytes
    memory[at] = extension.length > 0 ? 0x90 : 0x80
    memory[at + 2] = this.#sequence >> 8
    memory[at + 3] = this.#sequence & 0xff
    memory.writeUInt32BE(timestamp >>> 0, at + 4)
    memory.writeUInt32BE(this.ssrc, at + 8)
    if (extension.length > 0) memory.set(extension, at + headerBytes)
    this.#at = at
    this.#payloadAt = at + headerBytes + extension.length
    return this.#payloadAt
  }

  /** Ends the packet that {@link begin} started and sends it. */
  end(payloadBytes: number, marker: boolean): void {
    this.memory[this.#at + 1] = (marker ? 0x80 : 0) | this.#payloadType
    const end = this.#payloadAt + payloadBytes
    this.#lengths[this.#slot] = end - this.#at
    this.#sequences[this.#slot] = this.#sequence
    this.#slot = (this.#slot + 1) % this.#keep
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.packets += 1
    this.octets += payloadBytes
    this.#send(this.memory.subarray(this.#at, end))
  }

  /** Sends a packet again, if the ring still holds it. */
  resend(sequence: number): boolean {
    const slot = this.#sequences.indexOf(sequence)
    if (slot < 0) return false
    const at = slot * this.maxPacketBytes
    this.resent += 1
    this.#send(this.memory.subarray(at, at + this.#lengths[slot]!))
    return true
  }
}
