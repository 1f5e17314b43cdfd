const typeSenderReport = 200
const senderReportBytes = 28
const typeTransportFeedback = 205
const typePayloadFeedback = 206
const formatNack = 1
const formatPli = 1
const formatFir = 4

export interface FeedbackSink {
  /** Generic NACK: this packet is missing (RFC 4585 section 6.2.1). */
  nack(ssrc: number, sequence: number): void
  /** PLI or FIR: a keyframe is wanted (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1). */
  keyframe(ssrc: number): void
  /** A sender report of this SSRC begins at byte `at` (RFC 3550 section 6.4.1). */
  senderReport?(ssrc: number, at: number): void
}

/** RTP and RTCP share a port and are told apart by the second byte (RFC 5761 section 4). */
export function isRtcp(packet: Uint8Array): boolean {
  return packet[1]! >= 192 && packet[1]! <= 223
}

/** A PLI (RFC 4585 section 6.3.1): `ssrc` asks `media` for a keyframe. */
export function writeKeyframeRequest(ssrc: number, media: number): Buffer {
  const packet = Buffer.alloc(12)
  packet[0] = 0x80 | formatPli
  packet[1] = typePayloadFeedback
  packet.writeUInt16BE(2, 2)
  packet.writeUInt32BE(ssrc, 4)
  packet.writeUInt32BE(media, 8)
  return packet
}

/** Reads the feedback out of a compound RTCP packet; everything else in it, and what is malformed, is skipped. */
export function readFeedback(data: Uint8Array, sink: FeedbackSink): void {
  let at = 0
  while (at + 4 <= data.length && data[at]! >> 6 === 2) {
    const end = at + 4 * (1 + ((data[at + 2]! << 8) | data[at + 3]!))
    if (end > data.length) return
    const format = data[at]! & 0x1f
    const type = data[at + 1]!
    if (type === typeTransportFeedback && format === formatNack) readNacks(data, at, end, sink)
    else if (type === typePayloadFeedback && end - at >= 12) {
      if (format === formatPli) sink.keyframe(readUint32(data, at + 8))
      else if (format === formatFir) {
        for (let entry = at + 12; entry + 8 <= end; entry += 8) sink.keyframe(readUint32(data, entry))
      }
    } else if (type === typeSenderReport && end - at >= senderReportBytes)
      sink.senderReport?.(readUint32(data, at + 4), at)
    at = end
  }
}

function readNacks(data: Uint8Array, at: number, end: number, sink: FeedbackSink): void {
  if (end - at < 12) return
  const ssrc = readUint32(data, at + 8)
  for (let entry = at + 12; entry + 4 <= end; entry += 4) {
    const first = (data[entry]! << 8) | data[entry + 1]!
    const following = (data[entry + 2]! << 8) | data[entry + 3]!
    sink.nack(ssrc, first)
    for (let bit = 0; bit < 16; bit++) {
      if (following & (1 << bit)) sink.nack(ssrc, (first + 1 + bit) & 0xffff)
    }
  }
}

function readUint32(data: Uint8Array, at: number): number {
  return data[at]! * 2 ** 24 + ((data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!)
}
