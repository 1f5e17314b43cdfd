import { readNtpTime } from '../../common/ntp-time.ts'
import { extensionAt, hasExtension, payloadAt } from '../lane/rtp-header.ts'

const MARKER = 0x80
const ONE_BYTE_FORM = 0xbede
const TWO_BYTE_FORM = 0x1000
/** NAL unit types (H.264 table 7-1) and those of RFC 6184. */
const SPS = 7
const STAP_A = 24
/** A whole `abs-capture-time`: 8 bytes, or 16 with the estimated offset of the clock. */
const CAPTURE_TIME_BYTES = 8

/** One RTP packet (RFC 3550), read in place. One object serves all packets. */
export class RtpPacket {
  bytes: Buffer = Buffer.alloc(0)
  sequence = 0
  timestamp = 0
  ssrc = 0
  marker = false
  payloadAt = 0

  /** @returns false for what is no RTP packet with a payload */
  read(bytes: Buffer): boolean {
    this.payloadAt = payloadAt(bytes)
    if (this.payloadAt >= bytes.length || bytes[0]! >> 6 !== 2) return false
    this.bytes = bytes
    this.marker = (bytes[1]! & MARKER) !== 0
    this.sequence = (bytes[2]! << 8) | bytes[3]!
    this.timestamp = bytes.readUInt32BE(4)
    this.ssrc = bytes.readUInt32BE(8)
    return true
  }

  /** Whether the payload has padding behind it (RFC 3550 section 5.1). */
  get padded(): boolean {
    return (this.bytes[0]! & 0x20) !== 0
  }

  /** `abs-capture-time` under this id of a header extension, unix ms; NaN where the packet has none. */
  captureUnixMs(id: number): number {
    const { bytes } = this
    if (id === 0 || !hasExtension(bytes)) return Number.NaN
    const start = extensionAt(bytes)
    const form = (bytes[start]! << 8) | bytes[start + 1]!
    const oneByte = form === ONE_BYTE_FORM
    if (!oneByte && (form & 0xfff0) !== TWO_BYTE_FORM) return Number.NaN
    for (let at = start + 4; at < this.payloadAt; ) {
      const first = bytes[at]!
      if (first === 0) {
        at += 1
        continue
      }
      const elementId = oneByte ? first >> 4 : first
      const length = oneByte ? (first & 0x0f) + 1 : (bytes[at + 1] ?? 0)
      const data = at + (oneByte ? 1 : 2)
      if (elementId === id)
        return length >= CAPTURE_TIME_BYTES && data + CAPTURE_TIME_BYTES <= this.payloadAt
          ? readNtpTime(bytes, data)
          : Number.NaN
      at = data + length
    }
    return Number.NaN
  }

  /** Whether an IDR with its parameter sets begins here: the packet has a sequence parameter set (RFC 6184). */
  get beginsKeyframe(): boolean {
    const { bytes, payloadAt } = this
    const type = bytes[payloadAt]! & 0x1f
    if (type !== STAP_A) return type === SPS
    for (let at = payloadAt + 1; at + 2 < bytes.length; at += 2 + ((bytes[at]! << 8) | bytes[at + 1]!))
      if ((bytes[at + 2]! & 0x1f) === SPS) return true
    return false
  }
}
