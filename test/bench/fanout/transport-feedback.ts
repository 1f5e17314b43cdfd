const RTPFB = 205
const TRANSPORT_CC = 15
const RECEIVER_REPORT = 201
/** Ticks of a second of receive deltas, and how many are in one of the reference time (draft-holmer-rmcat-transport-wide-cc-extensions-01). */
const TICKS_PER_SECOND = 4000
const TICKS_PER_REFERENCE = 256
const SMALL_DELTA = 1
const MAX_PACKETS = 8191
/** abs-send-time counts seconds in 24 bits, 18 of them behind the point. */
const SEND_TIME_UNITS = 2 ** 18
const SEND_TIME_WRAP = 64

/**
 * Feedback of a receiver behind a perfect network: everything arrives, each packet when it was sent. Delays by the
 * machine that plays the viewers are left out.
 */
export class TransportFeedback {
  readonly #ssrc: number
  readonly #mediaSsrc: number
  /** Arrivals of packets that were not reported yet, in order, ticks. */
  readonly #arrivals: number[] = []
  #firstSequence = 0
  #count = 0
  #lastSeconds = 0
  #wraps = 0

  constructor(ssrc: number, mediaSsrc: number) {
    this.#ssrc = ssrc
    this.#mediaSsrc = mediaSsrc
  }

  /** @param sendTime the packet's abs-send-time as it came, 24 bits */
  received(sequence: number, sendTime: number): void {
    const seconds = sendTime / SEND_TIME_UNITS
    if (seconds < this.#lastSeconds - SEND_TIME_WRAP / 2) this.#wraps += 1
    this.#lastSeconds = seconds
    if (this.#arrivals.length === 0) this.#firstSequence = sequence
    if (this.#arrivals.length < MAX_PACKETS)
      this.#arrivals.push(Math.round((seconds + this.#wraps * SEND_TIME_WRAP) * TICKS_PER_SECOND))
  }

  /** A compound packet about arrivals since the last one; null where nothing arrived. */
  report(): Buffer | null {
    const arrivals = this.#arrivals.splice(0)
    const [first] = arrivals
    if (first === undefined) return null
    const body = Buffer.alloc(Math.ceil((22 + arrivals.length) / 4) * 4)
    body.writeUInt16BE(0x8000 | (TRANSPORT_CC << 8) | RTPFB, 0)
    body.writeUInt16BE(body.length / 4 - 1, 2)
    body.writeUInt32BE(this.#ssrc, 4)
    body.writeUInt32BE(this.#mediaSsrc, 8)
    body.writeUInt16BE(this.#firstSequence, 12)
    body.writeUInt16BE(arrivals.length, 14)
    const reference = Math.floor(first / TICKS_PER_REFERENCE)
    body.writeUIntBE(reference & 0xffffff, 16, 3)
    body[19] = this.#count++ & 0xff
    body.writeUInt16BE((SMALL_DELTA << 13) | arrivals.length, 20)
    let told = reference * TICKS_PER_REFERENCE
    for (const [index, arrival] of arrivals.entries()) {
      const delta = Math.min(255, Math.max(0, arrival - told))
      body[22 + index] = delta
      told += delta
    }
    return Buffer.concat([this.#receiverReport(), body])
  }

  /** An empty receiver report, so that the compound packet begins as RFC 3550 section 6.1 demands. */
  #receiverReport(): Buffer {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16BE(0x8000 | RECEIVER_REPORT, 0)
    bytes.writeUInt16BE(1, 2)
    bytes.writeUInt32BE(this.#ssrc, 4)
    return bytes
  }
}
