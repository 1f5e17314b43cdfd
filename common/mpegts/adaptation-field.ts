import { readNtpTime } from '../ntp-time.ts'

/** What the demuxer needs of an adaptation field, ISO/IEC 13818-1 section 2.4.3.4. Reused from packet to packet. */
export interface AdaptationField {
  discontinuity: boolean
  /** Stuffing bytes follow the announced fields. In a stream without padding that marks the end of a unit. */
  stuffed: boolean
  /** `temiPts` and `temiUnixMs` hold a TEMI stamp. */
  hasTemi: boolean
  /** Low 32 bits of the PTS (90 kHz) that was captured at `temiUnixMs`. */
  temiPts: number
  /** Unix milliseconds, fractional. */
  temiUnixMs: number
}

export function createAdaptationField(): AdaptationField {
  return { discontinuity: false, stuffed: false, hasTemi: false, temiPts: 0, temiUnixMs: 0 }
}

/**
 * Reads the field whose length byte is at `offset` and whose packet ends before `end`.
 * @returns false when its length, or a length inside it, runs past the packet
 */
export function readAdaptationField(
  data: Uint8Array,
  offset: number,
  end: number,
  into: AdaptationField,
): boolean {
  into.discontinuity = false
  into.stuffed = false
  into.hasTemi = false
  const length = data[offset]!
  const fieldEnd = offset + 1 + length
  if (fieldEnd > end) return false
  if (length === 0) {
    into.stuffed = true // a lone length byte is one byte of stuffing
    return true
  }
  const flags = data[offset + 1]!
  into.discontinuity = (flags & 0x80) !== 0
  let at = offset + 2
  if (flags & 0x10) at += 6 // PCR
  if (flags & 0x08) at += 6 // OPCR
  if (flags & 0x04) at += 1 // splice_countdown
  if (flags & 0x02) {
    if (at >= fieldEnd) return false
    at += 1 + data[at]! // transport_private_data
  }
  if (flags & 0x01) {
    if (at >= fieldEnd) return false
    const extensionEnd = at + 1 + data[at]!
    if (extensionEnd > fieldEnd) return false
    readExtension(data, at + 1, extensionEnd, into)
    at = extensionEnd
  }
  if (at > fieldEnd) return false
  into.stuffed = at < fieldEnd
  return true
}

function readExtension(data: Uint8Array, from: number, end: number, into: AdaptationField): void {
  if (from >= end) return
  const flags = data[from]!
  if (flags & 0x10) return // af_descriptor_not_present_flag
  let at = from + 1
  if (flags & 0x80) at += 2 // ltw
  if (flags & 0x40) at += 3 // piecewise_rate
  if (flags & 0x20) at += 5 // seamless_splice
  while (at + 2 <= end) {
    const tag = data[at]!
    const bodyEnd = at + 2 + data[at + 1]!
    if (bodyEnd > end) return
    if (tag === 0x04) readTimeline(data, at + 2, bodyEnd, into)
    at = bodyEnd
  }
}

/** TEMI timeline descriptor, ISO/IEC 13818-1 annex U.3.6. Useful only with both a 90 kHz and an NTP time. */
function readTimeline(data: Uint8Array, from: number, end: number, into: AdaptationField): void {
  if (from + 3 > end) return
  const hasTimestamp = data[from]! >> 6
  const hasNtp = (data[from]! & 0x20) !== 0
  if (hasTimestamp === 0 || hasTimestamp === 3 || !hasNtp) return
  const media = from + 3 + 4 + (hasTimestamp === 2 ? 4 : 0)
  const ntp = media + 4
  if (ntp + 8 > end || readUint32(data, from + 3) !== 90_000) return
  into.hasTemi = true
  into.temiPts = readUint32(data, media)
  into.temiUnixMs = readNtpTime(data, ntp)
}

function readUint32(data: Uint8Array, at: number): number {
  return data[at]! * 2 ** 24 + ((data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!)
}
